"""Drives the example gateway with the reference's own Python client: every call, data frames and streaming.

    python check_client.py PORT [KEY]

Prints one line for each check and ends with 1 when one fails. Needs csp-gateway, pandas, polars, aiohttp and aiostream.
"""

import asyncio
import sys
import time
from datetime import datetime, timedelta
from typing import Any, Dict

import csp
from csp_gateway.client import AsyncGatewayClient, GatewayClient, GatewayClientConfig, ReturnType
from csp_gateway.utils import (
    Filter,
    FilterCondition,
    Query,
    ServerRouteNotFoundException,
    ServerRouteNotMountedException,
    ServerUnknownException,
    ServerUnprocessableException,
)

PORT = int(sys.argv[1])
KEY = sys.argv[2] if len(sys.argv) > 2 else ""
CHECKS = []


def check(function):
    CHECKS.append(function)
    return function


def config(return_type=ReturnType.Raw, key=KEY):
    return GatewayClientConfig(host="127.0.0.1", port=PORT, api_key=key, return_type=return_type)


def client(return_type=ReturnType.Raw, key=KEY):
    return GatewayClient(config(return_type, key))


def raises(error, call):
    try:
        call()
    except error as caught:
        return caught
    raise AssertionError(f"{error.__name__} was not raised")


def wait_until(condition, seconds=5.0):
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        if condition():
            return
        time.sleep(0.02)
    raise AssertionError("the condition did not come true")


@check
def lists():
    gateway = client()
    assert gateway.last() == sorted(gateway.last())
    assert "example" in gateway.last() and "never_ticks" in gateway.last()
    assert gateway._get("send/") == ["basket", "basket/A", "basket/B", "basket/C", "controls", "example"]
    assert "example_with_state_alternative" in gateway.state()
    assert gateway.controls() == ["heartbeat", "shutdown", "stats"]


@check
def last():
    gateway = client()
    wait_until(lambda: gateway.last("example") != [])
    [record] = gateway.last("example")
    assert list(record) == [
        "id", "timestamp", "x", "y", "z", "internal_csp_struct", "data", "mapping", "dt", "d",
    ]
    assert record["y"] == str(record["x"]) * 3 and len(record["data"]) == 10
    assert len(gateway.last("basket")) == 3
    assert len(gateway.last("basket/A")) == 1
    records = gateway.last("str_basket")
    assert [each["y"] for each in records] == [str(records[0]["x"]) * n for n in (1, 2, 3)]
    assert isinstance(gateway.last("example_list"), list)


@check
def errors():
    gateway = client()
    raises(ServerRouteNotMountedException, lambda: gateway.last("nope"))
    assert "never_ticks" in str(raises(ServerRouteNotFoundException, lambda: gateway.last("never_ticks")))
    raises(ServerRouteNotFoundException, lambda: gateway.last("str_basket/zz"))
    raises(ServerRouteNotFoundException, lambda: gateway.last("basket/ZZ"))
    raises(ServerRouteNotFoundException, lambda: gateway.send("example_list", {"x": 1}))
    raises(ServerUnprocessableException, lambda: gateway.send("example", {"x": -1}))
    raises(ServerUnprocessableException, lambda: gateway.send("example", {"unknown": 1}))
    raises(ServerUnprocessableException, lambda: gateway.send("example", [{"x": 1}, {"x": "a"}]))
    raises(ServerUnprocessableException, lambda: gateway.send("basket/ZZ", {"x": 1}))
    raises(ServerRouteNotFoundException, lambda: gateway.lookup("id", "nope"))


@check
def next_tick():
    gateway = client()
    [before] = gateway.last("example")
    [after] = gateway.next("example", timeout=5)
    assert after["x"] > before["x"]
    assert len(gateway.next("basket", timeout=5)) == 3


@check
def send():
    gateway = client()
    [sent] = gateway.send("example", {"x": 12345, "y": "sent"})
    assert sent["x"] == 12345 and sent["id"] and sent["timestamp"] and sent["mapping"] == {}
    assert gateway.lookup("example", sent["id"]) == [sent]
    assert gateway.lookup("id", sent["id"]) == [sent]
    many = gateway.send("example", [{"x": 1}, {"x": 2}])
    assert [each["x"] for each in many] == [1, 2]
    assert int(many[1]["id"]) == int(many[0]["id"]) + 1
    assert gateway.send("example", []) == []
    assert gateway.send("basket/A", {"x": 7})[0]["x"] == 7
    assert [each["x"] for each in gateway.send("basket", {"B": {"x": 9}, "A": {"x": 8}})] == [9, 8]
    assert [each["x"] for each in gateway.send("basket/A", [{"x": 1}, {"x": 2}])] == [1, 2]
    [kept] = gateway.send("example", {"id": 99, "x": "12", "data": [1, 2]})
    assert kept["id"] == "99" and kept["x"] == 12


@check
def state():
    gateway = client()
    records = gateway.state("example_with_state")
    assert [record["x"] for record in records] == list(range(1, len(records) + 1))

    def where(path, **by):
        query = Query(filters=[Filter(attr=path, by=FilterCondition(**by))])
        return [record["x"] for record in gateway.state("example_with_state", query=query)]

    assert where("x", value=1) == [1]
    assert where("x", value=1, where="!=")[0] == 2
    assert where("x", value=1.5, where="<") == [1]
    assert where("y", value="111") == [1]
    assert where("x", attr="internal_csp_struct.z", where=">") == [x for x in where("x", value=12, where=">")]
    assert where("timestamp", when="2020-01-01T00:00:00", where="<") == []
    raises(ServerUnknownException, lambda: where("nope", value=1))
    assert gateway.state("example_with_state_alternative")


@check
def controls():
    gateway = client()
    [heartbeat] = gateway.controls("heartbeat")
    assert heartbeat["status"] == "ok" and heartbeat["name"] == "heartbeat"
    [stats] = gateway.controls("stats")
    assert stats["data"]["pid"] > 0 and "csp-now" in stats["data"]
    [sent] = gateway.send("controls", {"name": "heartbeat"})
    assert sent["status"] == "none"
    assert gateway.last("controls")[0] == {**sent, "status": "ok"}


@check
def staging():
    gateway = client()
    gateway.stage_clear("example", [])
    first = gateway.stage_new("example")
    [staging_id] = first
    assert first == {staging_id: []}
    added = gateway.stage_add("example", {"x": 31})
    assert [record["x"] for record in added[staging_id]] == [31]
    assert gateway.stage_list("example") == added
    assert gateway.stage_lookup("example", staging_id) == added
    other = gateway.stage_add("example", {"x": 32}, [staging_id])
    assert [record["x"] for record in other[staging_id]] == [31, 32]
    removed = gateway.stage_remove("example", other[staging_id][0], [staging_id])
    assert [record["x"] for record in removed[staging_id]] == [32]
    released = gateway.stage_release("example", [staging_id])
    assert [record["x"] for record in released[staging_id]] == [32]
    assert gateway.stage_list("example") == {}
    one, two = (list(gateway.stage_new("example"))[0] for _ in range(2))
    both = gateway.stage_add("example", {"x": 33, "id": "staged"}, [one, two])
    assert [list(map(len, both.values())), set(both)] == [[1, 1], {one, two}]
    assert gateway.stage_remove("example", {"id": "staged"}, [one]) == {one: []}
    assert list(gateway.stage_list("example", two)) == [one, two]
    assert gateway.stage_release("example", [one, two])[two][0]["id"] == "staged"
    raises(ServerUnknownException, lambda: gateway.stage_add("example", None, ["1"]))
    raises(ServerUnprocessableException, lambda: gateway.stage_add("example", {"x": -1}))


@check
def data_frames():
    for return_type in (ReturnType.Pandas, ReturnType.Polars):
        gateway = client(return_type)
        for frame in (
            gateway.last("example"),
            gateway.last("example_list"),
            gateway.last("basket"),
            gateway.last("basket/A"),
            gateway.state("example_with_state"),
            gateway.send("basket/A", {"x": 3}),
            gateway.send("basket", {"A": {"x": 4}, "C": {"x": 5}}),
            gateway.send("example", [{"x": 1}, {"x": 2}]),
            gateway.next("example", timeout=5),
            gateway.lookup("example", client().last("example_list")[0]["id"]),
            gateway.lookup("id", client().last("example_list")[0]["id"]),
            gateway.controls("heartbeat"),
            gateway.controls("stats"),
        ):
            assert len(frame) > 0
        assert len(gateway.send("example", [])) == 0 and len(gateway.lookup("example", "nope")) == 0
        nothing = Query(filters=[Filter(attr="x", by=FilterCondition(value=-1))])
        assert len(gateway.state("example_with_state", query=nothing)) == 0
    frame = client(ReturnType.Pandas).last("example")
    assert str(frame["x"].dtype) == "int64" and "internal_csp_struct.z" in frame.columns
    assert len(client(ReturnType.Pandas).last()) > 0


@check
def structs():
    gateway = client(ReturnType.Struct)
    [record] = gateway.last("example")
    assert type(record).__name__ == "ExampleData" and record.x >= 1
    [control] = gateway.controls("heartbeat")
    assert type(control).__name__ == "Controls" and control.status == "ok"
    wrapper = client(ReturnType.Wrapper).last("example")
    assert wrapper.as_json() and len(wrapper.as_pandas_df()) == 1


@check
def description():
    paths = client().openapi_spec["paths"]
    for path in ("last/example", "last/basket", "last/basket/{key}", "lookup/example/{id}", "lookup/id/{id}", "stage/example"):
        assert f"/api/v1/{path}" in paths, path


@check
def streaming():
    async def run():
        gateway = AsyncGatewayClient(config())
        heard = {}
        marks = iter(range(70_001, 80_000))
        async for message in gateway.stream(["example", "heartbeat", ("basket", "A")], timeout=5):
            channel = message["channel"]
            heard.setdefault(channel, []).append(message)
            if len(heard.get("example", [])) == 1 and "sent" not in heard:
                heard["sent"] = next(marks)
                await gateway.publish("example", {"x": heard["sent"]})
                await gateway.publish("basket", [{"x": 1}, {"x": 2}], key="A")
            xs = [each["data"][0]["x"] for each in heard.get("example", [])]
            keyed = heard.get("basket", [])
            if heard.get("sent") in xs and len(keyed) >= 3 and "heartbeat" in heard:
                assert {each["key"] for each in keyed} == {"A"}
                assert heard["heartbeat"][0]["data"] == "PING"
                return

    asyncio.run(asyncio.wait_for(run(), 20))


@check
def streaming_with_a_callback():
    class Enough(Exception):
        pass

    gateway = client()
    heard = []

    def hear(message):
        heard.append((message["channel"], message.get("key"), message["data"][0]["x"]))
        if len(heard) == 1:
            gateway.subscribe("basket", "B")
            gateway.publish("example", {"x": 90_001})
        elif ("basket", "B") in [each[:2] for each in heard] and ("example", None, 90_001) in heard:
            raise Enough

    try:
        gateway.stream(channels=["example"], callback=hear, timeout=10)
    except Enough:
        assert {each[1] for each in heard} == {None, "B"}
        return
    raise AssertionError("the stream has ended")


@check
def streaming_into_csp():
    if KEY != "":
        return  # The client sends no key here.
    heard = []

    @csp.node
    def collect(basket: csp.DynamicBasket[str, object]):
        if csp.ticked(basket):
            heard.extend((channel, str(value)) for channel, value in basket.tickeditems())

    @csp.graph
    def graph():
        after = lambda seconds: timedelta(seconds=seconds)  # noqa: E731
        subscribe = csp.curve(str, [(after(0.1), "example"), (after(0.2), "basket")])
        data = csp.curve(Dict[str, Any], [(after(1), {"example": {"x": 91_001}})])
        collect(client().stream_csp(subscribe=subscribe, data=data))

    csp.run(graph, starttime=datetime.utcnow(), endtime=timedelta(seconds=4), realtime=True)
    assert {channel for channel, _ in heard} == {"example", "basket"}
    assert any("91001" in value for _, value in heard)


@check
def asynchronous_calls():
    async def run():
        gateway = AsyncGatewayClient(config())
        assert len(await gateway.last("example")) == 1
        assert (await gateway.send("example", {"x": 5}))[0]["x"] == 5
        assert await gateway.state("example")
        assert await gateway.controls("heartbeat")
        assert len(await gateway.next("example", timeout=5)) == 1

    asyncio.run(run())


@check
def keys():
    if KEY == "":
        return
    refused = raises(ServerUnknownException, lambda: client(key="wrong")._get("last/example"))
    assert "403" in str(refused) and "unauthorized" in str(refused)


def main():
    failed = 0
    for each in CHECKS:
        try:
            each()
            print(f"ok {each.__name__}", flush=True)
        except Exception as error:  # noqa: BLE001
            failed += 1
            print(f"FAIL {each.__name__}: {type(error).__name__}: {error}", flush=True)
    print(f"{len(CHECKS) - failed} passed, {failed} failed")
    return 1 if failed else 0


sys.exit(main())
