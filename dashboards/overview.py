"""The dashboard "Thông Mạng – Toàn cảnh": how many terminals report, how their lines and machines do."""

from __future__ import annotations

from grafana_foundation_sdk.models import dashboard, units

from agent.wire.catalogue import DEVICE_HEALTH, LINK_LATENCY
from dashboards.panels import InfluxQuery, Page, Panel, grafana_unit
from dashboards.queries import (
    DEVICE,
    TARGET,
    UNIT,
    highest_percentiles,
    loss,
    lowest_shares,
    metric,
    minimum_by_time,
    percentile_by_time,
    percentile_now,
    sum_of_growth_by_time,
    sum_of_last_by_time,
    terminals_by_time,
    terminals_now,
    values_of,
)

UID = "thongmang-overview"

# Machines that start and stop leave single minutes empty: a shorter interval would show holes that are none.
_INTERVAL = "5m"
# Ordinary terminals deliver by the quarter of an hour: with a shorter interval several counts at the end would be low.
_COUNT_INTERVAL = "15m"
# That and some delay, as the rules' `fresh_seconds`: a terminal whose next delivery is due shall not be missing.
_NOW = "20m"
_RANKING = "1h"
_ROWS = 10

_LOSS_STEPS = ((None, "green"), (0.01, "orange"), (0.05, "red"))
_ROOM_STEPS = ((None, "red"), (0.1, "orange"), (0.2, "green"))


def overview() -> dashboard.Dashboard:
    """The dashboard, ready to be written as JSON."""
    page = Page(
        uid=UID,
        title="Thông Mạng – Toàn cảnh",
        description=(
            "Tình trạng máy trạm và đường truyền của các đơn vị. Đơn vị hiện bằng mã đơn vị hành chính (ví dụ 16681 là "
            "Phường Thành Vinh), vì cơ sở dữ liệu số đo chỉ giữ mã; tên đơn vị xem ở trang của bộ thu thập."
        ),
        tags=["thongmang"],
    )
    _choices(page)
    _numbers(page)
    _line_charts(page)
    _terminal_charts(page)
    return page.build()


def _choices(page: Page) -> None:
    page.with_choice(
        UNIT,
        label="Đơn vị",
        description="Mã đơn vị hành chính có máy báo cáo trong 7 ngày qua.",
        statement=values_of(UNIT, DEVICE_HEALTH),
    )
    page.with_choice(
        DEVICE,
        label="Máy trạm",
        description="Mã máy trạm của các đơn vị đã chọn.",
        statement=values_of(DEVICE, DEVICE_HEALTH, UNIT),
    )
    page.with_choice(
        TARGET,
        label="Đích đo",
        description="Nơi máy trạm đo độ trễ tới.",
        statement=values_of(TARGET, LINK_LATENCY, UNIT, DEVICE),
    )


def _numbers(page: Page) -> None:
    uptime, latency = metric("uptime_seconds"), metric("link_rtt_p95_seconds")
    page.with_number(
        Panel(
            "Máy trạm đang báo cáo",
            "Số máy trạm khác nhau có số đo trong 20 phút qua. Máy chuyển đơn vị chỉ tính một lần.",
            units.NoUnit,
            [InfluxQuery(terminals_now(uptime))],
            width=8,
            height=5,
        ),
        span=_NOW,
    )
    page.with_number(
        Panel(
            "Tỷ lệ mất gói",
            "Phần gói đo không có trả lời trong 20 phút qua, tính chung mọi máy và đích đã chọn.",
            units.PercentUnit,
            [InfluxQuery(loss(metric("link_probes_sent"), metric("link_probes_received")))],
            width=8,
            height=5,
        ),
        span=_NOW,
        thresholds=_LOSS_STEPS,
    )
    page.with_number(
        Panel(
            "Độ trễ p95",
            "95 % lượt đo trong 20 phút qua có độ trễ p95 không quá mức này (khứ hồi, mọi máy và đích đã chọn).",
            grafana_unit(latency),
            [InfluxQuery(percentile_now(latency, 95))],
            width=8,
            height=5,
        ),
        span=_NOW,
    )


def _line_charts(page: Page) -> None:
    median, high = metric("link_rtt_p50_seconds"), metric("link_rtt_p95_seconds")
    variation = metric("link_ipdv_seconds")
    page.with_lines(
        Panel(
            "Độ trễ theo đích: p50 và p95",
            "Độ trễ khứ hồi tới từng đích: p50 là trung vị của các lượt đo, p95 là mức mà 95 % lượt đo không vượt quá. "
            "Chỉ đích xa tăng: nghẽn ở phía ngoài; mọi đích cùng tăng: nghẽn gần đơn vị.",
            grafana_unit(high),
            [
                InfluxQuery(percentile_by_time(median, 50, "target"), alias="p50 $tag_target"),
                InfluxQuery(percentile_by_time(high, 95, "target"), alias="p95 $tag_target"),
            ],
            width=12,
            height=9,
        ),
        interval=_INTERVAL,
    )
    page.with_lines(
        Panel(
            "Tỷ lệ mất gói theo đích",
            "Phần gói đo không có trả lời tới từng đích.",
            units.PercentUnit,
            [
                InfluxQuery(
                    loss(metric("link_probes_sent"), metric("link_probes_received"), "target"), alias="$tag_target"
                )
            ],
            width=12,
            height=9,
        ),
        interval=_INTERVAL,
    )
    page.with_ranking(
        Panel(
            "Mười máy có độ trễ cao nhất",
            "Độ trễ p95 trong một giờ qua của từng máy tới từng đích, cao nhất trước. "
            "Bấm vào mã máy hoặc mã đơn vị để chỉ xem máy hoặc đơn vị đó.",
            grafana_unit(high),
            [InfluxQuery(highest_percentiles(high, 95, _ROWS, "unit", "device_id", "target"), result_format="table")],
            width=12,
        ),
        span=_RANKING,
        columns={"unit": "Đơn vị", "device_id": "Máy trạm", "target": "Đích đo", "value": "Độ trễ p95"},
        descending=True,
        links={"unit": UNIT, "device_id": DEVICE},
    )
    page.with_lines(
        Panel(
            "Biến thiên độ trễ (IPDV) theo đích",
            "Chênh lệch trung bình giữa hai lượt khứ hồi liên tiếp (RFC 3393), trung vị và p95 của các lượt đo. "
            "Cao thì họp trực tuyến và thoại bị giật.",
            grafana_unit(variation),
            [
                InfluxQuery(percentile_by_time(variation, 50, "target"), alias="p50 $tag_target"),
                InfluxQuery(percentile_by_time(variation, 95, "target"), alias="p95 $tag_target"),
            ],
            width=12,
        ),
        interval=_INTERVAL,
    )


def _terminal_charts(page: Page) -> None:
    processor, memory = metric("cpu_utilisation_ratio"), metric("memory_available_bytes")
    page.with_lines(
        Panel(
            "Máy trạm báo cáo theo thời gian",
            "Số máy trạm khác nhau có số đo trong mỗi khoảng. Máy gửi 15 phút một lần, nên điểm cuối có thể còn thấp.",
            units.NoUnit,
            [InfluxQuery(terminals_by_time(metric("uptime_seconds")), alias="Máy trạm")],
            width=12,
        ),
        interval=_COUNT_INTERVAL,
    )
    page.with_lines(
        Panel(
            "Báo cáo chờ gửi và đã mất",
            "Chờ gửi: báo cáo còn nằm trên máy trạm lúc đo, tăng khi đường truyền hoặc bộ thu thập không nhận. "
            "Đã mất: báo cáo máy trạm phải bỏ vì đầy chỗ hoặc quá cũ.",
            units.NoUnit,
            [
                InfluxQuery(sum_of_last_by_time(metric("spool_reports")), alias="Chờ gửi"),
                InfluxQuery(sum_of_growth_by_time(metric("spool_dropped_total")), alias="Đã mất"),
            ],
            width=12,
        ),
        interval=_COUNT_INTERVAL,
    )
    page.with_lines(
        Panel(
            "Sử dụng CPU",
            "Phần thời gian bộ xử lý bận: trung vị và p95 của các máy đã chọn.",
            grafana_unit(processor),
            [
                InfluxQuery(percentile_by_time(processor, 50), alias="p50"),
                InfluxQuery(percentile_by_time(processor, 95), alias="p95"),
            ],
            width=8,
        ),
        interval=_INTERVAL,
    )
    page.with_lines(
        Panel(
            "Bộ nhớ còn dùng được",
            "Bộ nhớ chương trình còn xin được mà không phải tráo ra đĩa: trung vị của các máy, và máy còn ít nhất.",
            grafana_unit(memory),
            [
                InfluxQuery(percentile_by_time(memory, 50), alias="p50"),
                InfluxQuery(minimum_by_time(memory), alias="Ít nhất"),
            ],
            width=8,
        ),
        interval=_INTERVAL,
    )
    page.with_ranking(
        Panel(
            "Mười ổ đĩa còn ít chỗ nhất",
            "Phần còn trống của từng ổ đĩa theo số đo cuối trong một giờ qua, ít nhất trước.",
            units.PercentUnit,
            [
                InfluxQuery(
                    lowest_shares(
                        metric("filesystem_available_bytes"),
                        metric("filesystem_size_bytes"),
                        _ROWS,
                        "unit",
                        "device_id",
                        "filesystem",
                    ),
                    result_format="table",
                )
            ],
            width=8,
        ),
        span=_RANKING,
        columns={"unit": "Đơn vị", "device_id": "Máy trạm", "filesystem": "Ổ đĩa", "value": "Còn trống"},
        descending=False,
        links={"device_id": DEVICE},
        thresholds=_ROOM_STEPS,
    )
