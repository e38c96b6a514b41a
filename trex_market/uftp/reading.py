"""Messages from XML and to XML, strictly: what is not exactly as the schema says is refused.

The library's own parser mends what is broken, takes text for numbers, lets unknown attributes vanish, and looks
for its classes among all of the process. Here lxml parses, which mends nothing, and the library's classes are made
of what it found, value by value.
"""

from __future__ import annotations

import re
from typing import Any

from lxml import etree
from xsdata.formats.dataclass.context import XmlContext
from xsdata.formats.dataclass.parsers.config import ParserConfig

from trex_market.uftp.library import MESSAGES, NAMES, uftp
from trex_market.uftp.shapes import MAX_TEXT, Attribute, Shape, malformed, shape_of

__all__ = ["harden_library", "malformed", "read_message", "read_signed", "write_xml"]

MAX_ELEMENTS = 2_000
"""A message on a day of a hundred ISPs has a few hundred elements."""

_ENCODING = re.compile(r"""<\?xml[^>]*?encoding\s*=\s*["']([^"']*)["']""")


class FrozenContext(XmlContext):
    """Knows the library's classes and no others, and looks for them once.

    The one that it comes from looks through all classes of the process again whenever a module was imported.
    """

    def build_xsi_cache(self) -> None:
        """Look for the classes, the first time."""
        if not self.xsi_cache:
            super().build_xsi_cache()


def harden_library() -> None:
    """Make the library's own parser stricter, and safe among threads, for those who use its services.

    Patterns, ranges and broken documents stay unchecked there.
    """
    from shapeshifter_uftp import transport  # noqa: PLC0415 - this alone needs it

    context = FrozenContext(models_package="shapeshifter_uftp")
    context.build_xsi_cache()
    transport.parser.context = transport.serializer.context = context
    transport.parser.config = ParserConfig(fail_on_unknown_attributes=True, fail_on_converter_warnings=True)


# ---------------------------------------------------------------- reading


def read_message(document: bytes) -> Any:
    """Read a message.

    Args:
        document: XML, without its envelope.

    Raises:
        ProtocolError: malformed.
    """
    root = _tree(document)
    cls = MESSAGES.get(str(root.tag))
    if cls is None:
        raise malformed(f"there is no message {str(root.tag)[:MAX_TEXT]!r}")
    return _made(root, shape_of(cls))


def read_signed(document: bytes) -> Any:
    """Read an envelope, a `SignedMessage` of the library.

    Raises:
        ProtocolError: malformed.
    """
    root = _tree(document)
    if root.tag != "SignedMessage":
        raise malformed(f"expected a SignedMessage, found {str(root.tag)[:MAX_TEXT]!r}")
    return _made(root, shape_of(uftp.SignedMessage))


def _tree(document: bytes) -> Any:
    """Parse a document: UTF-8, well formed, without declarations, and of a bounded size."""
    try:
        text = document.decode()
    except UnicodeDecodeError as error:
        raise malformed(f"not UTF-8 (byte {error.start})") from None
    encoding = _ENCODING.match(text)
    if encoding is not None and encoding[1].lower() not in {"utf-8", "utf8", "us-ascii"}:
        raise malformed(f"expected UTF-8, found the encoding {encoding[1]!r}")
    if "<!" in text:
        # Entities are declared there; nothing that a message holds needs it.
        raise malformed("there must be no <! (document type, comment, CDATA)")
    parser = etree.XMLParser(
        encoding="utf-8",
        resolve_entities=False,
        load_dtd=False,
        no_network=True,
        recover=False,
        huge_tree=False,
        remove_pis=True,
    )
    try:
        root = etree.fromstring(document, parser)
    except (etree.XMLSyntaxError, ValueError) as error:
        raise malformed(f"not well formed: {error}") from None
    for count, element in enumerate(root.iter()):
        if count >= MAX_ELEMENTS:
            raise malformed(f"more than {MAX_ELEMENTS} elements")
        if any(part and not part.isspace() for part in (element.text, element.tail)):
            raise malformed(f"there must be no text in or after {str(element.tag)[:MAX_TEXT]!r}")
    return root


def _made(element: Any, shape: Shape) -> Any:
    """Make a record of an element."""
    tag = str(element.tag)
    values: dict[str, Any] = {}
    for name, text in element.attrib.items():
        attribute = shape.attributes.get(name)
        if attribute is None:
            raise malformed(f"{tag} has no attribute {str(name)[:MAX_TEXT]!r}")
        values[attribute.field] = attribute.read(tag, text)
    for name in shape.required:
        if name not in element.attrib:
            raise malformed(f"{tag} lacks {name}")
    _add_children(element, shape, values)
    try:
        return shape.cls(**values)
    except (TypeError, ValueError) as error:  # what the library itself finds wrong
        raise malformed(f"{tag}: {error}") from None


def _add_children(element: Any, shape: Shape, values: dict[str, Any]) -> None:
    for inner in element:
        child = shape.children.get(str(inner.tag))
        if child is None:
            raise malformed(f"{element.tag} has no element {str(inner.tag)[:MAX_TEXT]!r}")
        record = _made(inner, child.shape)
        if child.is_list:
            values.setdefault(child.field, []).append(record)
        elif child.field in values:
            raise malformed(f"{element.tag} has {child.name} twice")
        else:
            values[child.field] = record
    for child in shape.children.values():
        if len(values.get(child.field, ())) < child.least if child.is_list else False:
            raise malformed(f"{element.tag} has too few elements {child.name}: at least {child.least}")


# ---------------------------------------------------------------- writing


def write_xml(message: Any) -> bytes:
    """Return a message, or an envelope, as an XML document.

    Raises:
        ProtocolError: if it is none that a reader would take.
    """
    name = NAMES.get(type(message), "SignedMessage")
    element = etree.Element(name)
    _fill(element, message, _shape(message))
    document: bytes = etree.tostring(element, encoding="UTF-8", xml_declaration=True)
    return document


def _shape(message: Any) -> Shape:
    cls: Any = type(message)
    return shape_of(cls)


def _fill(element: Any, record: object, shape: Shape) -> None:
    for name, attribute in shape.attributes.items():
        value = getattr(record, attribute.field)
        if value is not None:
            element.set(name, _text(element, attribute, value))
        elif attribute.required:
            raise malformed(f"{element.tag} lacks {name}")
    for name, child in shape.children.items():
        value = getattr(record, child.field)
        for one in value if child.is_list else [value]:
            if one is not None:
                _fill(etree.SubElement(element, name), one, child.shape)


def _text(element: Any, attribute: Attribute, value: object) -> str:
    text = attribute.kind.write(value)
    attribute.read(str(element.tag), text)  # nobody shall be sent what we would refuse
    return text
