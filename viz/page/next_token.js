'use strict';
// The next token: the likeliest ones as bars, with temperature, top-k and top-p to play with.
{
    const {element: make, parts} = gemma;
    const {tokensOf, nearestRow, row, likeliest} = parts;
    const shown = 16;  // bars

    // All tokens of a row of logits, likeliest first. A slider asks for the same row again and again.
    let latest = {};
    function sorted(logits) {
        if (latest.buffer !== logits.buffer || latest.offset !== logits.byteOffset) {
            latest = {buffer: logits.buffer, offset: logits.byteOffset, order: likeliest(logits)};
        }
        return latest.order;
    }

    // What may come next, as gemma/text/sampler.hpp has it: temperature, then top-k, then top-p, then all that is left
    // is scaled to sum to 1. Gives, likeliest first, [{token, logit, share, kept}]: `share` is of what is left where
    // the token is kept, and what it would have without top-k and top-p where it is not; `lost` says to what it was
    // lost.
    gemma.distribution = (logits, {temperature = 1, topK = 0, topP = 1} = {}) => {
        const order = sorted(logits);
        const top = logits[order[0]];
        const weights = Array.from(
            order,
            (token, place) => temperature === 0 ? Number(place === 0) : Math.exp((logits[token] - top) / temperature));
        const all = weights.reduce((a, b) => a + b);
        const k = topK === 0 || temperature === 0 ? order.length : Math.min(topK, order.length);
        let ofK = 0;
        for (let i = 0; i < k; ++i) ofK += weights[i];
        let p = k, sum = ofK;
        if (topP < 1 && temperature > 0) {
            for (p = 0, sum = 0; sum < topP * ofK && p < k; ++p) sum += weights[p];
        }
        if (temperature === 0) p = 1;
        return Array.from(order, (token, place) => ({
                                     token,
                                     logit: logits[token],
                                     share: place < p ? weights[place] / sum : weights[place] / all,
                                     kept: place < p,
                                     lost: place < p       ? null :
                                         temperature === 0 ? 'not the likeliest' :
                                         place >= k        ? 'cut by top-k' :
                                                             'cut by top-p',
                                 }));
    };

    // How uncertain the choice is, in bits: 1 is a fair coin.
    gemma.entropy = (distribution) =>
        distribution.reduce((bits, {kept, share}) => (kept && share > 0 ? bits - share * Math.log2(share) : bits), 0);

    // Tokens as bars in a table; `next` is the token that did follow, or null, and `follows` says that it did.
    gemma.tokenBars = (caption, follows) => {
        const body = make('tbody', {});
        const element = make(
            'table', {class: 'token-bars'}, make('caption', {class: 'hidden-text'}, caption),
            make(
                'thead', {class: 'hidden-text'},
                make(
                    'tr', {},
                    ...['token', 'share', 'probability', 'remark'].map((text) => make('th', {scope: 'col'}, text)))),
            body);
        return {
            element,
            draw(distribution, next, count = shown) {
                const rows = distribution.slice(0, count);
                const place = next === null ? -1 : distribution.findIndex(({token}) => token === next);
                if (place >= count) rows.push(distribution[place]);
                const most = Math.max(...rows.map(({share}) => share));
                body.replaceChildren(...rows.map(
                    ({token, logit, share, kept, lost}, i) => make(
                        'tr', {
                            class: (kept ? '' : 'faded') + (token === next ? ' current' : ''),
                            'data-id': token,
                            title: `token ${token}, logit ${gemma.number(logit, 5)}`
                        },
                        make('th', {scope: 'row'}, parts.pieceOfId(token)),
                        make('td', {class: 'measure'}, parts.bar(share / most, kept ? '' : 'lost')),
                        make('td', {class: 'figure'}, kept ? parts.percent(share) : `(${parts.percent(share)})`),
                        make('td', {class: 'remark'}, [
                            lost, token === next ? (i >= count ? `${follows}, place ${place + 1}` : follows) : null
                        ].filter(Boolean).join('; ')))));
            },
        };
    };

    gemma.panel({
        id: 'next-token',
        title: 'The next token',
        about:
            'The logits of a token say what comes after it. A low temperature makes the likely likelier, a high one ' +
            'evens them out; top-k and top-p cut off the tail. What falls away is pale; the rest is scaled to ' +
            'sum to 100 %.',
        applies: () => gemma.trace !== null && gemma.trace.has('lm_head'),
        mount(element) {
            const tokens = tokensOf('lm_head'), V = gemma.trace.shape('lm_head')[1];
            const settings = {temperature: 1, topK: 0, topP: 1};
            const ks = [1, 2, 3, 4, 5, 6, 8, 10, 15, 20, 30, 40, 50, 100, 200, 500].filter((k) => k < V).concat(0);
            const slider = (label, key, options) => gemma.parts
                                                        .slider({
                                                            label,
                                                            value: settings[key],
                                                            onInput: (value) => {
                                                                settings[key] = value;
                                                                draw();
                                                            },
                                                            ...options,
                                                        })
                                                        .element;
            const text = make('p', {class: 'context'});
            const readout = make('p', {class: 'readout', role: 'status', 'data-of': 'entropy'});
            const bars = gemma.tokenBars('the likeliest next tokens', 'follows in the text');
            let token = tokens[0], logits = null, own = 0;

            function draw() {
                const distribution = gemma.distribution(logits, settings);
                const next = token + 1 < gemma.trace.tokens.length ? gemma.trace.tokens[token + 1] : null;
                const kept = distribution.filter((entry) => entry.kept).length;
                bars.draw(distribution, next);
                readout.textContent =
                    `${kept.toLocaleString('en')} of ${V.toLocaleString('en')} tokens may come; entropy ` +
                    `${gemma.entropy(distribution).toFixed(3)} bits (the model’s own: ${own.toFixed(3)}).`;
            }

            element.append(
                text,
                make(
                    'div', {class: 'sliders'},
                    slider(
                        'temperature', 'temperature',
                        {min: 0, max: 2, step: 0.05, format: (t) => (t === 0 ? '0: the likeliest' : t.toFixed(2))}),
                    slider('top-k', 'topK', {values: ks, format: (k) => (k === 0 ? 'all' : `${k}`)}),
                    slider(
                        'top-p', 'topP',
                        {min: 0.01, max: 1, step: 0.01, format: (p) => (p === 1 ? 'all' : p.toFixed(2))})),
                readout, bars.element);

            return (selection) => {
                token = tokens[nearestRow('lm_head', selection.token)];
                logits = row(gemma.trace.tensor('lm_head'), nearestRow('lm_head', token));
                own = gemma.entropy(gemma.distribution(logits));
                const before = gemma.trace.tokens.map((_, i) => i).slice(Math.max(0, token - 15), token + 1);
                text.replaceChildren(
                    ...(token > 15 ? ['… '] : []),
                    ...before.map(
                        (i) => make('span', {class: i === token ? 'piece current' : 'piece'}, parts.pieceOf(i))),
                    make('span', {class: 'piece open'}, '?'));
                draw();
            };
        },
    });
}
