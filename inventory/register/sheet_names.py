"""Names of the template's sheets, which its writer and the reader of registers share."""

from __future__ import annotations

REGISTER_SHEET = "Kê khai"
STAFF_SHEET = "Khảo sát"
OTHER_EQUIPMENT_SHEET = "Thiết bị khác"
LINE_SHEET = "Đường truyền"
GUIDE_SHEET = "Hướng dẫn"
CHOICES_SHEET = "Danh mục chọn"
