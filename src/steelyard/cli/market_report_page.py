"""The report as one HTML page that opens offline: the sheets, and the picture of every asset within it."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Mapping
from html import escape
from pathlib import Path

from steelyard.cli.market_report_sheets import Record, Sheet, headline, sheets, verdict

STYLE = """
body{font:14px/1.45 system-ui,sans-serif;color:#222;max-width:1400px;margin:1.6rem auto;padding:0 1.2rem}
h1{font-size:1.6rem;margin:0 0 .2rem}h2{font-size:1.1rem;margin:2.2rem 0 .2rem}p{margin:.15rem 0;color:#444}
.bad{color:#C62828;font-weight:600}.wide{overflow-x:auto}img{width:100%;height:auto;margin-top:.6rem}
table{border-collapse:collapse;margin-top:.6rem;font-variant-numeric:tabular-nums}
th,td{padding:.15rem .7rem;text-align:right;border-bottom:1px solid #eee;white-space:nowrap}
th{color:#777;font-weight:500;vertical-align:bottom}td.word,th.word{text-align:left}
tr.first td{border-top:1px solid #bbb}nav a{margin-right:.9rem;color:#0072B2}
"""


def write_page(document: Record, pictures: Mapping[str, Path], path: Path) -> Path:
    """Write the page of a report with its pictures by asset; return its path. Errors: OSError."""
    title = f"Steelyard · market report of {Path(document['recording']).name}"
    mood = ' class="bad"' if document["left_bound"] else ""
    links = "".join(f'<a href="#{escape(name)}">{escape(name)}</a>' for name in pictures)
    body = [
        f"<h1>{escape(title)}</h1><p>{escape(headline(document))}</p>",
        f"<p{mood}>{escape(verdict(document))}</p><nav>{links}</nav>",
        *(_section(sheet) for sheet in sheets(document)),
    ]
    for name, picture in pictures.items():
        drawn = b64encode(picture.read_bytes()).decode("ascii")
        body.append(
            f'<h2 id="{escape(name)}">{escape(name)}</h2>'
            f'<img alt="{escape(name)}: index, sources, verdicts, error and age" '
            f'src="data:image/png;base64,{drawn}">'
        )
    path.write_text(
        "<!DOCTYPE html>\n"
        f'<html lang="en"><head><meta charset="utf-8"><title>{escape(title)}</title>'
        f"<style>{STYLE}</style></head>\n<body>{''.join(body)}</body></html>\n",
        encoding="utf-8",
    )
    return path


def _section(sheet: Sheet) -> str:
    words = [is_word for _, is_word in sheet.heads]
    heads = "".join(
        f"<th{_class(is_word)}>{escape(head).replace(chr(10), '<br>')}</th>"
        for head, is_word in sheet.heads
    )
    rows, before = [], ""
    for row in sheet.rows:
        is_first = row[0] != before
        shown = row if is_first else ("", *row[1:])
        cells = "".join(
            f"<td{_class(word)}>{escape(cell)}</td>"
            for cell, word in zip(shown, words, strict=True)
        )
        rows.append(f"<tr{' class=first' if is_first else ''}>{cells}</tr>")
        before = row[0]
    return (
        f"<h2>{escape(sheet.title)}</h2><p>{escape(sheet.note)}</p>"
        f'<div class="wide"><table><tr>{heads}</tr>{"".join(rows)}</table></div>'
    )


def _class(is_word: bool) -> str:
    return ' class="word"' if is_word else ""
