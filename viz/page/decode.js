'use strict';
// Decoding, token by token: a slider over what was generated, with what the model chose from and where it looked.
{
    const {element: make, parts} = gemma;
    const {named, layersWith, nearestLayer, row} = parts;
    const pause = 700;  // milliseconds a step, when it plays

    // The positions of the generated tokens whose logits are in the trace: token t was drawn from the logits of t - 1.
    function steps() {
        const {tokens, promptTokens} = gemma.trace;
        return tokens.map((_, t) => t).slice(promptTokens).filter((t) => gemma.trace.rowOf('lm_head', t - 1) !== null);
    }

    gemma.panel({
        id: 'decode',
        title: 'Decoding, step by step',
        about:
            'Each step reads the text so far and adds one token. Move the slider: the bars are what the model chose ' +
            'from, the colours in the text are where the chosen head looked when it did.',
        applies: () => gemma.trace !== null && gemma.trace.promptTokens < gemma.trace.tokens.length &&
            gemma.trace.has('lm_head') && steps().length > 0,
        mount(element) {
            const trace = gemma.trace, places = steps();
            const layers = layersWith('self_attn.probs');
            const H = layers.length > 0 ? trace.shape(named(layers[0], 'self_attn.probs'))[0] : 0;
            let place = places[0], timer = null;

            const go = (next) => gemma.select({token: next - 1});  // the token whose logits are read
            const slider = parts.slider({
                label: 'generated token',
                values: places,
                value: place,
                onInput: go,
                format: (t) => `${t - trace.promptTokens + 1} of ${trace.tokens.length - trace.promptTokens}`,
            });
            const play = make(
                'button', {type: 'button', class: 'play', onclick: () => (timer === null ? start() : stop())}, 'Play');
            const chooser = layers.length > 0 ? parts.chooser({layers, heads: H}) : null;
            const text = parts.tokenText({
                label: 'the text; a generated token goes to its step',
                tokens: trace.tokens.map((_, t) => t),
                onChoose: (t) => {
                    if (places.includes(t)) go(t);
                },
            });
            const readout = make('p', {class: 'readout', role: 'status', 'data-of': 'decode'});
            const bars = gemma.tokenBars('what the model chose from', 'was chosen');

            function start() {
                play.textContent = 'Stop';
                if (place === places[places.length - 1]) go(places[0]);
                timer = setInterval(() => {
                    const next = places[places.indexOf(place) + 1];
                    if (next === undefined || !element.isConnected)
                        stop();
                    else
                        go(next);
                }, pause);
            }
            function stop() {
                clearInterval(timer);
                timer = null;
                play.textContent = 'Play';
            }

            element.append(
                make('div', {class: 'sliders'}, slider.element, play), ...(chooser ? [chooser.element] : []),
                text.element, readout, bars.element);

            // Where the token before the step's looked; nobody knows of tokens that are not there yet.
            function looks(selection) {
                if (layers.length === 0) return () => null;
                const name = named(nearestLayer(layers, selection.layer), 'self_attn.probs');
                const [, T, S] = trace.shape(name), r = trace.rowOf(name, place - 1);
                if (r === null) return () => null;
                const {data} = trace.tensor(name), head = Math.min(selection.head, H - 1);
                return (t) => (t < place && t < S ? data[(head * T + r) * S + t] : null);
            }

            return (selection) => {
                const wanted = selection.token + 1;
                place = places.reduce((best, t) => (Math.abs(t - wanted) < Math.abs(best - wanted) ? t : best));
                slider.set(place);
                if (chooser) chooser.update(selection);
                const distribution =
                    gemma.distribution(row(trace.tensor('lm_head'), trace.rowOf('lm_head', place - 1)));
                const rank = distribution.findIndex(({token}) => token === trace.tokens[place]);
                text.paint({
                    share: looks(selection),
                    current: place,
                    kind: (t) =>
                        (t > place                   ? 'later' :
                             t >= trace.promptTokens ? 'generated' :
                                                       ''),
                });
                text.reveal(place);
                readout.textContent = `Step ${place - trace.promptTokens + 1}: “${parts.pieceOf(place)}” with ` +
                    `${parts.percent(distribution[rank].share)}, ${
                                          rank === 0 ? 'the likeliest' : `place ${rank + 1}`} of ` +
                    `${distribution.length.toLocaleString('en')}; entropy ${
                                          gemma.entropy(distribution).toFixed(2)} bits.`;
                bars.draw(distribution, trace.tokens[place], 8);
            };
        },
    });
}
