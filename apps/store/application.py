"""The store, as a value: its modules, and where their implementations stand."""

from __future__ import annotations

from apps.store.carts.contract import Carts
from apps.store.carts.settings import CartSettings
from apps.store.catalog.contract import Catalog
from apps.store.inventory.contract import Inventory
from apps.store.inventory.settings import InventorySettings
from apps.store.notifications.contract import Notifications
from apps.store.notifications.settings import NotificationSettings
from apps.store.orders.contract import Orders
from apps.store.orders.settings import OrderSettings
from apps.store.payments.contract import Payments
from apps.store.payments.settings import PaymentSettings
from apps.store.recommendations.contract import Recommendations
from apps.store.shipping.contract import Shipping
from apps.store.shipping.settings import ShippingSettings
from apps.store.storefront.settings import StorefrontSettings
from apps.store.users.contract import Users
from apps.store.users.settings import UserSettings
from craton import Application, Module

store = Application("store", [
    Module(
        "users", Users, "apps.store.users.module:Accounts", owner="identity", settings=UserSettings,
        tables="apps.store.users.tables:metadata", migrations="apps.store.users.migrations",
    ),
    Module(
        "catalog", Catalog, "apps.store.catalog.module:Shelves", owner="merchandising",
        tables="apps.store.catalog.tables:metadata", migrations="apps.store.catalog.migrations",
    ),
    Module(
        "inventory", Inventory, "apps.store.inventory.module:Warehouse", owner="fulfilment", settings=InventorySettings,
        tables="apps.store.inventory.tables:metadata", migrations="apps.store.inventory.migrations",
    ),
    Module(
        "carts", Carts, "apps.store.carts.module:Baskets", owner="shop", settings=CartSettings,
        tables="apps.store.carts.tables:metadata", migrations="apps.store.carts.migrations",
    ),
    Module(
        "orders", Orders, "apps.store.orders.module:OrderDesk", owner="shop", settings=OrderSettings,
        tables="apps.store.orders.tables:metadata", migrations="apps.store.orders.migrations",
    ),
    Module(
        "payments", Payments, "apps.store.payments.module:Cashier", owner="finance", settings=PaymentSettings,
        tables="apps.store.payments.tables:metadata", migrations="apps.store.payments.migrations",
    ),
    Module(
        "shipping", Shipping, "apps.store.shipping.module:Dock", owner="fulfilment", settings=ShippingSettings,
        tables="apps.store.shipping.tables:metadata", migrations="apps.store.shipping.migrations",
    ),
    Module(
        "notifications", Notifications, "apps.store.notifications.module:Postman", owner="shop",
        settings=NotificationSettings, tables="apps.store.notifications.tables:metadata",
        migrations="apps.store.notifications.migrations",
    ),
    Module(
        "recommendations", Recommendations, "apps.store.recommendations.module:Habits", owner="merchandising",
        tables="apps.store.recommendations.tables:metadata", migrations="apps.store.recommendations.migrations",
    ),
    Module(
        "storefront", asgi="apps.store.storefront.site:site", owner="web", settings=StorefrontSettings,
        sign_ins=("/login", "/register"),
    ),
])
