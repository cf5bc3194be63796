#!/bin/sh
# Joins the rooms' translations (collector/locale/fragments), compiles the catalogues and names the sentences of the sources that have no translation yet.
# Sentences of data files (rules, norms, kinds of equipment) are held by the tests of their own rooms.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"$BIN/python" deploy/merge_translations.py collector/locale/fragments collector/locale/vi/LC_MESSAGES/thongmang.po
"$BIN/pybabel" --quiet extract -F deploy/babel.cfg -k mark -k translate -k _say -k _text -k MetricSpec:3 -k _latency:3 -k _adapter:3 -k _interface:3 \
    -o "$folder/thongmang.pot" .
"$BIN/pybabel" --quiet compile -D thongmang -d collector/locale
"$BIN/pybabel" --quiet compile -D agent -d agent/locale
"$BIN/python" deploy/untranslated.py "$folder/thongmang.pot" collector/locale/vi/LC_MESSAGES/thongmang.po
