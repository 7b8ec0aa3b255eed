"""The control plane as an application: routes, their access matrix, problems for whatever goes wrong."""

from __future__ import annotations

from collections.abc import Callable

from fastapi import APIRouter, FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.routing import Match

from steelyard.quantities.errors import SteelyardError
from steelyard.service.access.matrix import Matrix, Row, check_routes
from steelyard.service.control import (
    accounts,
    controls,
    decisions,
    info,
    methods,
    parameters,
    proposals,
    reservations,
    standing,
    terms,
)
from steelyard.service.control.document import openapi_of
from steelyard.service.control.guard import ControlRoute, Plane, stated, tell
from steelyard.service.control.problems import of_http, of_validation, problem_of, unexpected
from steelyard.service.control.seams import Impacting, Service
from steelyard.service.rpc.dispatch import Incident
from steelyard.service.web.log import tell_incident

# A path is looked up in this order: what a trader waits for comes first.
ROUTERS: tuple[APIRouter, ...] = (
    reservations.router, info.router, accounts.router, standing.router, terms.router, methods.router,
    parameters.router, controls.router, proposals.router, decisions.router,
)  # fmt: skip


def create_control(
    service: Service,
    *,
    impact: Impacting | None = None,
    on_incident: Callable[[Incident], object] = tell_incident,
) -> FastAPI:
    """Return the application, to be mounted at /v1 on the loop of the host.

    impact: works out what a change of parameters would do (`Rewind.impact`); without it that is a 503.
    on_incident: is told of unexpected failures. Errors: ACCS-E54 for a route
    without a row in the access matrix.
    """
    app = FastAPI(
        title="Steelyard control plane", openapi_url=None, docs_url=None, redoc_url=None,
        redirect_slashes=False, separate_input_output_schemas=False,
    )  # fmt: skip
    plane = Plane(service, service.host, service.clock, impact, on_incident)
    app.state.plane = plane
    for router in (*ROUTERS, _of_itself(app)):
        # Each route as it is: an included router would stand before its routes, and hide them.
        app.router.routes.extend(router.routes)
    plane.matrix = Matrix(matrix_rows(app))
    check_routes(plane.matrix, served(app))
    _tell_failures(app, plane)
    return app


def control_routes(app: FastAPI) -> list[ControlRoute]:
    """Return the routes of the control plane. Errors: AssertionError for a route of another kind."""
    found = []
    for route in app.routes:
        assert isinstance(route, ControlRoute), f"{route} goes past the guard"
        found.append(route)
    return found


def matrix_rows(app: FastAPI) -> list[Row]:
    """Return the rows of the access matrix, one a route that states its scope."""
    rows = (route.row() for route in control_routes(app))
    return [row for row in rows if row is not None]


def served(app: FastAPI) -> list[str]:
    """Return the endpoints that are served, as the access matrix names them."""
    return [
        f"{method} /v1{route.path_format}"
        for route in control_routes(app)
        for method in sorted(route.methods or ())
    ]


def _verbs(app: FastAPI, request: Request) -> list[str]:
    """Return the verbs of a path: those of every route that it fits."""
    return sorted(
        verb
        for route in control_routes(app)
        if route.matches(request.scope)[0] is not Match.NONE
        for verb in route.methods or ()
    )


def _of_itself(app: FastAPI) -> APIRouter:
    """Return the route of openapi.json, which is made once when it is first asked for."""
    router = APIRouter(route_class=ControlRoute)
    made: list[bytes] = []

    @router.get("/openapi.json", openapi_extra=stated("public"), include_in_schema=False)
    async def get_openapi() -> Response:
        if not made:
            made.append(openapi_of(app))
        return Response(made[0], media_type="application/json")

    return router


def _tell_failures(app: FastAPI, plane: Plane) -> None:
    """Answer with a problem where no route was reached: unknown paths and verbs."""

    def instance() -> str:
        return f"urn:steelyard:request:{plane.clock():x}-{next(plane.numbers)}"

    async def told(request: Request, error: Exception) -> Response:
        if isinstance(error, HTTPException):
            answer = problem_of(of_http(error, request), instance())
            if error.status_code == 405:
                answer.headers["Allow"] = ", ".join(_verbs(app, request))
            return answer
        if isinstance(error, RequestValidationError):
            refused, faults = of_validation(error)
            return problem_of(refused, instance(), faults)
        name = instance()
        if isinstance(error, SteelyardError):
            return problem_of(error, name)
        tell(plane, error, request, name, "")
        return problem_of(unexpected(name), name)

    kinds: tuple[type[Exception], ...] = (
        HTTPException, RequestValidationError, SteelyardError, Exception,
    )  # fmt: skip
    for kind in kinds:
        app.add_exception_handler(kind, told)
