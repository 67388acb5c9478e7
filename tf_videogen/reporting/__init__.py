"""One HTML page of runs, from what training, evaluation and sampling have written.

Sections of a page, from the top:

    headline       what was compared, one number with its interval, floor and the paper's, a scale,
                   warnings, and real videos beside generated ones
    runs compared  if several runs have the same task: numbers, bindings, curves, samples
    summary        all numbers of protocols beside the papers', and the same as CSV, Markdown, LaTeX
    a run each     numbers, curves and videos of its protocols, videos of training, configuration

Data flow:

    results.csv -> comparison (ours beside the paper's) -> headline, summary, protocol_blocks
                -> plots (against the step)             -> runs, runs_compared, protocol_blocks
    *.npz       -> players (a video as a strip of its frames, WebP) -> headline, galleries
    config.gin  -> facts and commands                    -> runs
    blocks      -> page.write_page, with player.js and filtering.js -> one file

`player.js` moves all strips of the page by one clock, which one bar pauses and scrubs.
"""
