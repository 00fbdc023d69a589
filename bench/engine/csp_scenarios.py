"""The scenarios of scenarios.ts that are named as arguments, in csp. Prints one JSON object a measurement: scenario, side, n, CPU seconds, result."""

import json
import math
import sys
import time
from datetime import datetime, timedelta
from typing import Dict, List

import csp
import csp.stats
import numpy as np
from csp import ts

START = datetime(2020, 1, 1)
MICROSECOND = timedelta(microseconds=1)


class Quote(csp.Struct):
    id: int
    price: int


@csp.node
def py_add_one(x: ts[int]) -> ts[int]:
    if csp.ticked(x):
        return x + 1


@csp.node
def py_add(x: ts[int], n: int) -> ts[int]:
    if csp.ticked(x):
        return x + n


@csp.node
def py_sum(x: List[ts[int]]) -> ts[int]:
    if csp.ticked(x):
        return sum(x.validvalues())


@csp.node
def py_next(tick: ts[bool], state: ts[int]) -> ts[int]:
    with csp.start():
        csp.make_passive(state)
    if csp.ticked(tick):
        return (state if csp.valid(state) else 0) + 1


@csp.node
def quote(x: ts[int]) -> ts[Quote]:
    if csp.ticked(x):
        return Quote(id=x, price=2 * x)


@csp.node
def raised(x: ts[Quote]) -> ts[Quote]:
    if csp.ticked(x):
        return Quote(id=x.id, price=x.price + 1)


@csp.node
def key_of(x: ts[int], keys: int) -> ts[int]:
    if csp.ticked(x):
        return x % keys


@csp.node
def only_value(x: ts[Dict[int, int]]) -> ts[int]:
    if csp.ticked(x):
        return next(iter(x.values()))


@csp.node
def total(x: ts[int], box: object):
    if csp.ticked(x):
        box[0] += x


def counter():
    return csp.count(csp.timer(MICROSECOND, True))


def repeated(times, x, step):
    for _ in range(times):
        x = step(x)
    return x


def summed(edges):
    while len(edges) > 1:
        edges = [a + b for a, b in zip(edges[::2], edges[1::2])]
    return edges[0]


def flattened_timers():
    with csp.memoize(False):
        timers = [csp.timer(MICROSECOND, True) for _ in range(1000)]
    return csp.count(csp.flatten(timers))


def through_feedback():
    state = csp.feedback(int)
    following = py_next(csp.timer(MICROSECOND, True), state.out())
    state.bind(following)
    return following


def points(n):
    times = np.datetime64(START) + np.arange(1, n + 1).astype("timedelta64[us]")
    return times.astype("datetime64[ns]"), np.arange(1, n + 1)


def mean_and_stddev():
    x = csp.cast_int_to_float(counter())
    window = dict(interval=100, min_window=1)
    return csp.stats.mean(x, **window) + csp.stats.stddev(x, **window)


@csp.graph
def counted_by_key(key: int, x: ts[int]) -> ts[int]:
    return csp.count(x)


def dynamic_counts():
    x = counter()
    by_key = csp.dynamic_demultiplex(x, key_of(x, 10_000))
    return only_value(csp.dynamic_collect(csp.dynamic(by_key, counted_by_key, csp.snapkey(), csp.attach())))


def run(edge, n):
    @csp.graph
    def program():
        csp.add_graph_output("result", edge() if callable(edge) else edge, tick_count=1)

    started = time.process_time()
    outputs = csp.run(program, starttime=START, endtime=n * MICROSECOND)
    return time.process_time() - started, float(outputs["result"][-1][1])


def run_curve(n):
    data = points(n)
    return run(lambda: csp.curve(int, data), n)


def run_mean_stddev(n):
    seconds, result = run(mean_and_stddev, n)
    return seconds, math.floor(1000 * result + 0.5)


def run_fanout(n):
    box = [0]

    @csp.graph
    def program():
        x = counter()
        with csp.memoize(False):
            for _ in range(10_000):
                total(x, box)

    started = time.process_time()
    csp.run(program, starttime=START, endtime=n * MICROSECOND)
    return time.process_time() - started, box[0]


def running(edge):
    return lambda n: run(edge, n)


RUNS = [
    ("chain100", "csp", running(lambda: repeated(100, counter(), lambda x: x + csp.const(1))), 50_000),
    ("chain100", "cspPython", running(lambda: repeated(100, counter(), py_add_one)), 10_000),
    ("chain1", "csp", running(lambda: counter() + csp.const(1)), 1_000_000),
    ("chain1", "cspPython", running(lambda: py_add_one(counter())), 500_000),
    ("diamond64", "csp", running(lambda: (lambda x: summed([x + csp.const(i) for i in range(64)]))(counter())), 50_000),
    ("diamond64", "cspPython", running(lambda: (lambda x: py_sum([py_add(x, i) for i in range(64)]))(counter())), 10_000),
    ("timers1000", "csp", running(flattened_timers), 1_000),
    ("feedback", "cspPython", running(through_feedback), 500_000),
    ("curve", "csp", run_curve, 1_000_000),
    ("struct2", "cspPython", running(lambda: raised(quote(counter())).price), 300_000),
    ("meanStddev100", "csp", run_mean_stddev, 300_000),
    ("dynamicKeys", "csp", running(dynamic_counts), 50_000),
    ("fanout", "cspPython", run_fanout, 100),
]

for scenario, side, measure, n in RUNS:
    if scenario not in sys.argv[1:]:
        continue
    seconds, result = min((measure(n) for _ in range(3)), key=lambda each: each[0])
    print(json.dumps(dict(scenario=scenario, side=side, n=n, seconds=seconds, result=result)), flush=True)
