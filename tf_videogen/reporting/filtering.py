"""The filter of a page: a box for words, a choice of protocols, and the script that hides the rest.

What can be hidden has the attribute `data-item`; what holds such items and is nothing without them,
`data-group`; what belongs to a protocol, itself or inside of something, `data-protocol`. An item
stays if its text, the heading of its section and its protocol together have all the words; a
section stays if its text has them. `#filter=ssim&protocol=videogpt_bair` at the end of the page's
address does the same. Without scripts the box doesn't show, and everything does.
"""

import base64
import hashlib

BAR = ('<div class="filter" role="search" hidden>'
       '<input type="search" aria-label="Filter" placeholder="Filter: run, metric, network …">'
       '<select aria-label="Protocol" hidden><option value="">all protocols</option></select>'
       '<output class="quiet" aria-live="polite"></output></div>')

SCRIPT = '''
(() => {
  const all = (what, root = document) => [...root.querySelectorAll(what)];
  const bar = document.querySelector('.filter');
  const [input, select, output] = bar.children;
  const lower = text => text.toLowerCase().replace(/\\s+/g, ' ');
  const protocolOf = element => element.closest('[data-protocol]')?.dataset.protocol || '';

  const items = all('[data-item]').map(element => {
    const heading = element.closest('section')?.querySelector('h2').textContent;
    const protocol = protocolOf(element);
    return {element, protocol, text: lower([heading, protocol, element.textContent].join(' '))};
  });
  const sections = all('section').map(element => ({
    element, text: lower(element.textContent),
    link: document.querySelector(`nav a[href="#${element.id}"]`),
    protocols: new Set(all('[data-protocol]', element).map(protocolOf))}));

  function apply() {
    const words = lower(input.value).split(' ').filter(Boolean);
    const chosen = select.value;
    const matches = text => words.every(word => text.includes(word));
    for (const {element, protocol, text} of items) {
      element.hidden = !matches(text) || Boolean(chosen && protocol && protocol !== chosen);
    }
    for (const group of all('[data-group]')) {
      group.hidden = !group.querySelector('[data-item]:not([hidden])');
    }
    for (const {element, text, link, protocols} of sections) {
      const empty = [...element.children].every(child => child.tagName === 'H2' || child.hidden);
      element.hidden = empty || !matches(text) || Boolean(chosen && !protocols.has(chosen));
      if (link) link.hidden = element.hidden;
    }
    const shown = items.filter(item => !item.element.closest('[hidden]')).length;
    output.textContent = words.length || chosen ? `${shown} of ${items.length}` : '';
  }

  function read() {
    const given = new URLSearchParams(location.hash.slice(1));
    if (given.has('filter') || given.has('protocol')) {
      input.value = given.get('filter') || '';
      select.value = given.get('protocol') || '';
      apply();
    }
  }

  function share() {
    const given = new URLSearchParams();
    if (input.value) given.set('filter', input.value);
    if (select.value) given.set('protocol', select.value);
    history.replaceState(null, '', `#${given}`);
  }

  const protocols = [...new Set(all('[data-protocol]').map(protocolOf))];
  select.append(...protocols.map(name => new Option(name, name)));
  select.hidden = protocols.length < 2;
  bar.hidden = false;
  input.addEventListener('input', apply);
  input.addEventListener('change', share);
  select.addEventListener('change', () => { apply(); share(); });
  addEventListener('hashchange', read);
  read();
})();
'''

# What a page's content security policy must have for a browser to run this script, and no other.
POLICY = ("script-src 'sha256-"
          f"{base64.b64encode(hashlib.sha256(SCRIPT.encode()).digest()).decode()}'")
