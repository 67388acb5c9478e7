"""The filter of a page: a box for words, a choice of protocols, and the script that hides the rest.

The script reads three attributes of elements:

    data-item      The element may be hidden.
    data-group     The element is hidden if all items in it are hidden.
    data-protocol  The element, and all that is in it, belongs to this protocol.

An item is shown if its text, the heading of its section and its protocol together have all the
words. A section is shown if its text has them. If a protocol is chosen, items of other protocols,
and sections without it, are hidden. `#filter=ssim&protocol=videogpt_bair` at the end of the page's
address does the same. Without scripts, the box is hidden and everything is shown.
"""

import pathlib

BAR = ('<div class="filter" role="search" hidden>'
       '<input type="search" aria-label="Filter" placeholder="Filter: run, metric, network …">'
       '<select aria-label="Protocol" hidden><option value="">all protocols</option></select>'
       '<output class="quiet" aria-live="polite"></output></div>')

SCRIPT = (pathlib.Path(__file__).parent / 'filtering.js').read_text(encoding='utf-8')
