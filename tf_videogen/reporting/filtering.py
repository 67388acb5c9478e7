"""The filter of a page: a box for words, a choice of protocols, and the script that hides the rest.

What can be hidden has the attribute `data-item`; what holds such items and is nothing without them,
`data-group`; what belongs to a protocol, itself or inside of something, `data-protocol`. An item
stays if its text, the heading of its section and its protocol together have all the words; a
section stays if its text has them. `#filter=ssim&protocol=videogpt_bair` at the end of the page's
address does the same. Without scripts the box doesn't show, and everything does.
"""

import base64
import hashlib
import pathlib

BAR = ('<div class="filter" role="search" hidden>'
       '<input type="search" aria-label="Filter" placeholder="Filter: run, metric, network …">'
       '<select aria-label="Protocol" hidden><option value="">all protocols</option></select>'
       '<output class="quiet" aria-live="polite"></output></div>')

SCRIPT = (pathlib.Path(__file__).parent / 'filtering.js').read_text(encoding='utf-8')

# What a page's content security policy must have for a browser to run this script, and no other.
POLICY = ("script-src 'sha256-"
          f"{base64.b64encode(hashlib.sha256(SCRIPT.encode()).digest()).decode()}'")
