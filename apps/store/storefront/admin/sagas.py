"""Sagas that wait for a person: what each was about, how far it came, and putting it back on its way."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

from starlette.exceptions import HTTPException
from starlette.responses import Response

from apps.store.storefront.admin.pages import shown
from apps.store.storefront.serving import go
from apps.store.storefront.shop import Shop
from apps.store.storefront.visit import Visit
from craton import Operator

LIST = "/manage/sagas"


@dataclass(frozen=True, slots=True)
class SagaPages:
    """The pages of parked sagas."""

    shop: Shop
    operator: Operator

    async def list(self, visit: Visit) -> Response:
        """Those that are parked."""
        found = [(line, moment(line.updated)) for line in await self.operator.sagas(state="parked")]
        return await shown(self.shop, "sagas.html", visit, found=found, away=sorted(self.operator.away))

    async def look(self, visit: Visit) -> Response:
        """One saga with its steps."""
        found = await self.operator.saga(visit.request.path_params["saga"])
        if found is None:
            raise HTTPException(404)
        return await shown(
            self.shop, "saga.html", visit, saga=found.saga, begun=moment(found.saga.created), steps=found.steps,
            arguments=found.arguments,
        )

    async def retry(self, visit: Visit) -> Response:
        """Put one back on its way: a second time does nothing, since it is parked no more."""
        id = visit.request.path_params["saga"]
        return go(LIST, note="retried" if await self.operator.retry_saga(id) else "not-parked")


def moment(seconds: float) -> datetime:
    """A time since 1970, in UTC."""
    return datetime.fromtimestamp(seconds, UTC)
