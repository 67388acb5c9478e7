(() => {
  const all = (what, root = document) => [...root.querySelectorAll(what)];
  const bar = document.querySelector('.filter');
  const [input, select, output] = bar.children;
  const lower = text => text.toLowerCase().replace(/\s+/g, ' ');
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
