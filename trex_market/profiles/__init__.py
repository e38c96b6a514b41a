"""Load and generation time series: from a file, a database or a data set to whole Wh per slot.

`open_source` chooses by the location's ending or prefix (`SOURCES`); whatever it
opens answers `participants()` and `read(...)`, and `read` either returns a
complete `Profile` or raises a `ProfileError` that says where and what is wrong.

Energy is conserved exactly: a slot of the data that is whole Wh gives its whole
amount however it is divided, and decimal Wh never drift by 1 Wh or more.
"""

from trex_market.profiles.places import expanded
from trex_market.profiles.profile import DataSource, Fill, Profile, ProfileSource
from trex_market.profiles.sources import SOURCES, open_source

__all__ = ["SOURCES", "DataSource", "Fill", "Profile", "ProfileSource", "expanded", "open_source"]
