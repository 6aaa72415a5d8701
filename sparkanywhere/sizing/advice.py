"""Which shape of executors would have done the same in the same time for less, and how sure that is. Pure.

Nothing is advised that would spill, or run out of memory or disk, by what was measured; nor where a run was too short,
its schedule is not understood, or the gain is small: then there is a reason in its place.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache, partial

from chalicelib.providers.base import TaskRejected
from chalicelib.providers.prices import ARCHITECTURES, PriceList, Rates
from chalicelib.providers.registry import reference_prices
from chalicelib.providers.sizes import SizeTable
from sparkanywhere.jobs.estimate import pod_usd_per_hour
from sparkanywhere.jobs.memory_size import parse_mib, pod_mib
from sparkanywhere.sizing.run_profile import HEAP, RunProfile
from sparkanywhere.sizing.schedule import fewest_slots, seconds_with, work_of
from sparkanywhere.sizing.shape import EXECUTOR, RESERVED_MIB, Shape, Sizer

SLOWER = 1.05  # the same time: no more than this times as long
LEAST_SECONDS = 60.0  # of a run: what it did at its start weighs too much in a shorter one
ALIKE = 1.03  # prices: of shapes that cost the same the one most like the run is taken, which was measured
LEAST_GAIN = 0.10  # of the price
MOST_OFF = 0.15  # by which the schedule may differ from what happened
MOST_FAILED = 0.05  # of tasks
MUCH_GC = 0.10  # of the time of tasks
FULL_HEAP = 0.7  # of a heap in use, beside much garbage collection
SPILLED_MIB = 256.0  # of memory: less is not worth a word
MORE_HEAP = 1.5
SPOT_KEYS = ("spark.kubernetes.executor.node.selector.", "spark.kubernetes.node.selector.")
CAPACITY, ARCH = "sparkanywhere.io/capacity-type", "kubernetes.io/arch"


@dataclass(frozen=True, slots=True)
class Advice:
    """A cheaper shape, or why there is none; `warning` is on memory that was short, "" where it was not.

    `share` is what of the run's price is left, or of its cores where nothing costs anything; `beside` tells the same
    with ARM and Spot, of whose speed a run elsewhere says nothing.
    """

    shape: Shape | None = None
    share: float = 1.0
    sentence: str = ""
    options: str = ""
    beside: str = ""
    warning: str = ""
    reason: str = ""

    @property
    def sentences(self) -> list[str]:
        """Return what is worth saying without being asked."""
        return [each for each in (self.warning, self.sentence, self.beside if self.sentence else "") if each]


def advise(run: RunProfile, *, price_list: PriceList | None, sizes: SizeTable | None) -> Advice:
    """Return what to make of a run on a provider with these prices and sizes, None where it has none."""
    try:
        sizer = Sizer(run, sizes)
        warning = _warning(run, sizer)
        seconds_by = cache(partial(seconds_with, work_of(run.stages)))
        if reason := _why_not(run, sizer, seconds_by):
            return Advice(warning=warning, reason=reason)
        adviser = _Adviser(run, sizer, price_list, seconds_by)
        return adviser.advice(warning, keeps_memory=bool(warning) or not run.is_memory_known)
    except (ValueError, ArithmeticError, TaskRejected) as error:  # whoever ran the job has written its settings
        return Advice(reason=f"its executors cannot be understood: {error}")


def _why_not(run: RunProfile, sizer: Sizer, seconds_by: Callable[[int], float]) -> str:
    totals = run.totals
    if run.has_profiles:
        return "it has resource profiles of its own"
    if not run.ended:
        return "it has not ended, or its log is not whole"
    if run.seconds < LEAST_SECONDS:
        return f"its stages ran for {run.seconds:.0f} s: less than {LEAST_SECONDS:.0f} s say too little"
    if totals.failed > MOST_FAILED * totals.tasks:
        return f"{totals.failed} of its {totals.tasks} tasks failed"
    slots = sizer.actual.executors * sizer.slots(sizer.actual.cores)
    if not slots:
        return "it had no executors"
    if not sizer.is_dynamic:
        expected = seconds_by(slots)
        if abs(expected - run.seconds) > MOST_OFF * run.seconds:
            return f"its {slots} slots would explain {expected:.0f} s, and it took {run.seconds:.0f} s"
    return ""


def _warning(run: RunProfile, sizer: Sizer) -> str:
    """Return what memory was short of, and what would have been enough."""
    totals, actual = run.totals, sizer.actual
    if totals.spilled_mib >= SPILLED_MIB and totals.spilled_disk_mib:
        shared = totals.task_need_mib * sizer.slots(actual.cores) + sizer.need.most_storage_mib
        enough = shared / sizer.need.memory_fraction + RESERVED_MIB
        held = f": --executor-memory {_size(enough)} would hold it, or more partitions"
        return f"{totals.spilled_mib / 1024:.1f} GiB of memory was spilled to disk{held}."
    if totals.gc_share > MUCH_GC and run.peak(HEAP) > FULL_HEAP * actual.heap_mib:
        more = _size(actual.heap_mib * MORE_HEAP)
        return (
            f"Garbage collection took {totals.gc_share:.0%} of the tasks' time: --executor-memory {more} gives it room."
        )
    return ""


class _Adviser:
    """Compares shapes for one run; `seconds_by` is how long it would take by so many slots."""

    def __init__(
        self, run: RunProfile, sizer: Sizer, price_list: PriceList | None, seconds_by: Callable[[int], float]
    ) -> None:
        self._run, self._sizer, self._prices, self._seconds_by = run, sizer, price_list, seconds_by
        # Where nothing is paid, cores and memory still weigh against one another as they are sold elsewhere
        weights = reference_prices().rates
        free = Rates(vcpu_hour=weights.vcpu_hour, gib_hour=weights.gib_hour)
        self._rates = price_list.rates if price_list else free
        selectors = [key for key in SPOT_KEYS if run.properties.get(f"{key}{CAPACITY}") == "spot"]
        self._is_spot = bool(selectors)
        self._arch = next((run.properties[f"{key}{ARCH}"] for key in SPOT_KEYS if f"{key}{ARCH}" in run.properties), "")

    def advice(self, warning: str, *, keeps_memory: bool) -> Advice:
        """Return the cheapest shape that is as quick, if that is cheaper than the run's by enough."""
        actual, now = self._sizer.actual, self._seconds(self._sizer.actual)
        price = self._price(actual, now)
        found = [(self._price(each, self._seconds(each)), each) for each in self._shapes(keeps_memory=keeps_memory)]
        least = min((usd for usd, _ in found), default=price)
        tied = [each for each in found if each[0] <= ALIKE * least]
        usd, best = min(tied, key=lambda each: abs(each[1].cores - actual.cores), default=(price, actual))
        share = usd / price if price else 1.0
        if share > 1 - LEAST_GAIN:
            beside = self._beside(actual, price, now) if self._prices else ""
            return Advice(warning=warning, reason="no shape is cheaper by enough for the same time", beside=beside)
        options = self._options(best)
        return Advice(
            best, share, self._sentence(best, share, options), options, self._beside(best, price, now), warning
        )

    def _shapes(self, *, keeps_memory: bool) -> Iterator[Shape]:
        sizer, actual = self._sizer, self._sizer.actual
        slots = actual.executors * sizer.slots(actual.cores)
        limit = SLOWER * self._seconds_by(slots)
        enough = slots if sizer.is_dynamic else fewest_slots(slots, lambda few: self._seconds_by(few) <= limit)
        for cores in sizer.core_counts:
            executors = -(-enough // sizer.slots(cores))
            while executors < slots and not sizer.fits_disk(executors):
                executors += 1
            shape = sizer.shape(executors, cores, keeps_memory=keeps_memory)
            if shape and sizer.fits_disk(executors) and self._seconds(shape) <= limit:
                yield shape

    def _seconds(self, shape: Shape) -> float:
        if self._sizer.is_dynamic:
            return self._run.seconds
        return self._seconds_by(shape.executors * self._sizer.slots(shape.cores))

    def _price(self, shape: Shape, seconds: float, *, arch: str = "", spot: bool | None = None) -> float:
        """Return the price of driver and executors for so long; the driver is never on Spot."""
        arch, spot = arch or self._arch, self._is_spot if spot is None else spot
        said = self._run.properties
        heap, beside = said.get("spark.driver.memory") or "1g", said.get("spark.driver.memoryOverhead", "")
        driver = pod_mib(heap, overhead=beside, factor=self._sizer.factor)
        cores = said.get("spark.kubernetes.driver.request.cores") or said.get("spark.driver.cores") or "1"
        hourly = pod_usd_per_hour(cores, driver, self._rates, arch=arch, spot=False)
        executor = pod_usd_per_hour(f"{shape.cpu_milli}m", shape.memory_mib, self._rates, arch=arch, spot=spot)
        return (hourly + shape.executors * executor) * seconds

    def _options(self, shape: Shape) -> str:
        words = {"--executors": shape.executors, "--executor-cores": shape.cores}
        if self._sizer.is_dynamic:
            del words["--executors"]
        found = [f"{name} {value}" for name, value in words.items()] + [f"--executor-memory {shape.heap_mib}m"]
        if self._sizer.needs_overhead(shape):
            found.append(f"--conf {EXECUTOR}memoryOverhead={shape.overhead_mib}m")
        return " ".join(found)

    def _sentence(self, shape: Shape, share: float, options: str) -> str:
        actual = self._sizer.actual
        if self._prices:
            gain = f"for {share:.0%} of the price"
        else:
            before, after = (f"{each.total_cores:g} cores and {each.total_gib:.1f} GiB" for each in (actual, shape))
            gain = f"with {after} in place of {before}"
        kind = f"{shape.cpu_milli / 1000:g} vCPU/{shape.memory_mib / 1024:.4g} GB"
        return f"The same time {gain}: {shape.executors} x {kind} ({options})."

    def _beside(self, shape: Shape, price: float, seconds: float) -> str:
        """Return what ARM and Spot would leave of the price, where the run had neither."""
        if not self._prices or not price:
            return ""
        rates, said = self._prices.rates, []
        cheapest = min(ARCHITECTURES, key=lambda each: rates.vcpu_hour[each])
        arch = cheapest if not self._arch and cheapest != ARCHITECTURES[0] else ""
        after = self._seconds(shape) or seconds
        if arch:
            said.append((f"--arch {arch}", self._price(shape, after, arch=arch) / price))
        if not self._is_spot and rates.spot_factor < 1:
            said.append((f"{'and ' if arch else ''}--spot", self._price(shape, after, arch=arch, spot=True) / price))
        if not said:
            return ""
        text = ", ".join(f"{option} {share:.0%}" for option, share in said)
        return f"By price alone, not measured here: {text}."


def _size(mib: float) -> str:
    """Return an amount of memory as Spark takes it, in whole GiB, rounded up."""
    return f"{parse_mib(f'{max(1, round(mib))}m') // 1024 + 1}g"
