"""On a cluster without our roles, a user who may create roles makes them and may act as each."""

import shutil
import uuid

import psycopg
import pytest
from psycopg import conninfo
from tests.conftest import TEST_SETTINGS, place_of_servers

from lockstep.store import server
from lockstep.store.roles import ROLES, ensure_roles


@pytest.mark.parametrize("times", [1, 2])
def test_whoever_creates_the_roles_may_act_as_them(times: int) -> None:
    place = place_of_servers() / f"lockstep-tests-roles-{uuid.uuid4().hex[:8]}"
    place.mkdir(mode=0o755)
    try:
        url = server.embedded_url(place, settings=TEST_SETTINGS)
        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute("create role keeper login createrole")
            connection.execute("alter database lockstep owner to keeper")
        own = conninfo.make_conninfo(url, user="keeper")
        for _ in range(times):
            ensure_roles(own)
        with psycopg.connect(own, autocommit=True) as connection:
            for role in ROLES:
                connection.execute(f"set role {role}".encode())
                connection.execute("reset role")
    finally:
        server.stop(place, mode="immediate")
        server.leave(place)
        shutil.rmtree(place, ignore_errors=True)
