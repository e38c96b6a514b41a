SELECT
    id,
    kind,
    contract_id,
    quantity,
    seller_id,
    buyer_id,
    energy_source,
    settlement_price_sell,
    settlement_price_buy,
    time_creation,
    time_purchase,
    time_consumption
FROM transactions
ORDER BY time_creation, id
