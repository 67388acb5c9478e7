(() => {
  const clips = [...document.querySelectorAll('.clip')];
  const bar = document.querySelector('.player');
  const [button, slider, output, label] = bar.children;
  const difference = label.firstElementChild;
  const longest = Math.max(...clips.map(clip => Number(clip.dataset.frames)));
  const milliseconds = 1000 / Number(clips[0].dataset.fps);
  const visible = new Set();
  let frame = 0;
  let timer = 0;

  function place(clip) {
    const own = frame % clip.dataset.frames;
    clip.style.setProperty('--frame', own);
    clip.classList.toggle('given', own < Number(clip.dataset.given || 0));
  }

  function show(next) {
    frame = next % longest;
    visible.forEach(place);
    slider.value = frame;
    output.textContent = `frame ${frame + 1} of ${longest}`;
  }

  function play(wanted) {
    clearInterval(timer);
    timer = wanted && longest > 1 ? setInterval(() => show(frame + 1), milliseconds) : 0;
    button.textContent = timer ? 'Pause' : 'Play';
  }

  function subtract() {
    for (const clip of clips.filter(one => one.dataset.against)) {
      if (clip.children.length === 1) {
        const real = clips.find(other => other.dataset.name === clip.dataset.against);
        const over = real.firstElementChild.cloneNode();
        over.alt = '';
        over.style.setProperty('--frames', real.dataset.frames);
        clip.append(over);
      }
      clip.classList.toggle('difference', difference.checked);
    }
  }

  const watcher = new IntersectionObserver(entries => {
    for (const {target, isIntersecting} of entries) {
      if (isIntersecting) place(target);
      visible[isIntersecting ? 'add' : 'delete'](target);
    }
  }, {rootMargin: '200px'});

  clips.forEach(clip => watcher.observe(clip));
  slider.max = longest - 1;
  button.addEventListener('click', () => play(!timer));
  slider.addEventListener('input', () => { play(false); show(Number(slider.value)); });
  difference.addEventListener('change', subtract);
  label.hidden = !clips.some(clip => clip.dataset.against);
  document.documentElement.classList.add('scripted');
  bar.hidden = false;
  show(0);
  play(!matchMedia('(prefers-reduced-motion: reduce)').matches);
})();
