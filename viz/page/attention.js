'use strict';
// Attention: all heads of all layers small, one head large, and the text itself: where does a token look?
{
    const {element: make, parts} = gemma;
    const {named, layersWith, nearestLayer, nearestRow, tokensOf} = parts;
    const smallSize = 64;  // pixels a side of a small map, at most

    // probs [H, T, S] of a layer, with p(h, row, column).
    function probsOf(layer) {
        const {shape: [H, T, S], data} = gemma.trace.tensor(named(layer, 'self_attn.probs'));
        return {H, T, S, data, at: (h, r, c) => data[(h * T + r) * S + c]};
    }

    // One head on a few pixels; a pixel that stands for many numbers shows the largest of them.
    function drawSmall(canvas, probs, head) {
        const {T, S, data} = probs;
        const height = Math.min(T, smallSize), width = Math.min(S, smallSize);
        const most = new Float32Array(width * height);
        for (let r = 0; r < T; ++r) {
            const y = Math.floor(r * height / T) * width, begin = (head * T + r) * S;
            for (let c = 0; c < S; ++c) {
                const pixel = y + Math.floor(c * width / S);
                if (data[begin + c] > most[pixel]) most[pixel] = data[begin + c];
            }
        }
        const image = new ImageData(width, height);
        most.forEach((p, i) => image.data.set([...gemma.colours.sequential(parts.brightness(p)), 255], 4 * i));
        canvas.width = width;
        canvas.height = height;
        canvas.getContext('2d').putImageData(image, 0, 0);
    }

    // A button with a small map.
    function smallMap(layer, head) {
        const canvas = make('canvas', {'aria-hidden': 'true'});
        const button = make(
            'button', {
                type: 'button',
                class: 'small-map',
                tabindex: -1,
                'data-layer': layer,
                'data-head': head,
                'aria-label': `layer ${layer}, head ${head}`,
                title: `layer ${layer}, head ${head}`,
                onclick: () => gemma.select({layer, head}),
            },
            canvas);
        return {layer, head, canvas, button};
    }

    // The grid of all layers and heads. Moving on it with the arrow keys selects.
    function overview(layers, H) {
        const maps = layers.flatMap((layer) => Array.from({length: H}, (_, head) => smallMap(layer, head)));
        const buttons = maps.map((map) => map.button);
        const grid = make(
            'div', {class: 'small-maps', role: 'group', 'aria-label': 'all heads, a row for each layer'},
            make('span', {}), Array.from({length: H}, (_, head) => make('span', {class: 'small-head'}, `head ${head}`)),
            layers.map(
                (layer, i) => [make('span', {class: 'small-layer'}, `${layer}`), buttons.slice(i * H, (i + 1) * H)]));
        grid.style.setProperty('--heads', H);
        parts.arrows(grid, () => buttons, parts.gridStep(() => H), (next) => buttons[next].click());

        const draw = () => {
            for (const layer of layers) {
                const probs = probsOf(layer);
                for (const map of maps.filter((map) => map.layer === layer)) drawSmall(map.canvas, probs, map.head);
            }
        };
        const mark = (layer, head) => {
            const chosen = maps.findIndex((map) => map.layer === layer && map.head === head);
            buttons.forEach((button, i) => button.setAttribute('aria-pressed', String(i === chosen)));
            parts.focusable(buttons, Math.max(0, chosen));
        };
        return {element: make('div', {class: 'scroll'}, grid), draw, mark};
    }

    const directions = {
        // What a token's row says: where it looks.
        looks: {
            text: 'where the token looks',
            shares: (probs, head, row, first) => (token) => {
                const p = token < probs.S ? probs.at(head, row, token) : null;
                return token > row + first ? null : p;
            },
            sentence: (token, list) => `${token} looks at ${list}`,
        },
        // What its column says: which tokens look at it.
        seen: {
            text: 'who looks at it',
            shares: (probs, head, row, first) => (token) => {
                const from = token - first;
                return from < row || from >= probs.T ? null : probs.at(head, from, row + first);
            },
            sentence: (token, list) => `${token} gets from ${list}`,
        },
    };

    gemma.panel({
        id: 'attention',
        title: 'Attention',
        about: 'Each row of a map is a token, each column a token it looks at; a row sums to 100 %. Look for columns ' +
            '(everybody looks at one token), diagonals (the token before) and the first column (a head at rest looks ' +
            'at the beginning). Colours are on an arcsinh scale, so that small shares can be seen.',
        applies: () => gemma.trace !== null && layersWith('self_attn.probs').length > 0,
        mount(element) {
            const layers = layersWith('self_attn.probs');
            const H = probsOf(layers[0]).H;
            const tokens = tokensOf(named(layers[0], 'self_attn.probs'));
            const first = tokens[0];
            const all = Array.from({length: probsOf(layers[0]).S}, (_, token) => token);

            const grid = overview(layers, H);
            const chooser = parts.chooser({layers, heads: H});
            let direction = directions.looks, locked = false, hovered = null, pointed = null;
            let layer = layers[0], head = 0, probs = probsOf(layer);

            const large = make('div', {class: 'attention-large'});
            const readout = make('p', {class: 'readout attention-readout', role: 'status'});
            const pointer = make('p', {class: 'readout small', 'data-of': 'attention-pair'});

            const isKept = (token) => token !== null && token >= first && token < first + tokens.length;
            const shown = () => isKept(hovered) && !locked ?
                hovered :
                first + nearestRow(named(layer, 'self_attn.probs'), gemma.selection.token);
            const text = parts.tokenText({
                label: 'the text: hover a token to see where it looks, click to lock it',
                tokens: all,
                onHover: (token) => {
                    locked ? pointed = token : hovered = token;
                    paintText();
                },
                onChoose: (token) => {
                    if (!isKept(token)) return;
                    locked = !(locked && token === gemma.selection.token);
                    hovered = token;
                    gemma.select({token});
                    paintText();
                },
                onMove: (token) => {
                    hovered = token;
                    gemma.select({token});
                    paintText();
                },
            });

            // The few tokens with the most, in words.
            function strongest(share) {
                return all.map((token) => [token, share(token)])
                    .filter(([, p]) => p !== null && p >= 0.01)
                    .sort((a, b) => b[1] - a[1])
                    .slice(0, 3)
                    .map(([token, p]) => `“${parts.pieceOf(token)}” ${parts.percent(p)}`)
                    .join(', ');
            }

            function paintText() {
                const token = shown();
                const share = direction.shares(probs, head, token - first, first);
                text.paint({
                    share,
                    current: token,
                    kind: (t) => locked && t === token ? 'locked' : isKept(t) ? '' : 'absent',
                });
                const sentence = direction.sentence(
                    `“${parts.pieceOf(token)}” (token ${token})`, strongest(share) || 'no token with 1 % or more');
                readout.textContent = `Layer ${layer}, head ${head}: ${sentence}.`;
                const other = locked && pointed !== null ? share(pointed) : null;
                pointer.textContent = !locked ? 'Point at a token to see where it looks; click to lock it.' :
                    other === null            ? 'Locked: click it again to let go.' :
                                     `“${parts.pieceOf(pointed)}” (token ${pointed}): ${parts.percent(other)}`;
            }

            const map = gemma.heatMap(large, {
                rows: tokens.length,
                columns: all.length,
                value: (r, c) => (c > r + first ? NaN : probs.at(head, r, c)),
                rowLabel: (r) => parts.pieceOf(tokens[r]),
                columnLabel: (c) => parts.pieceOf(c),
                scale: 'arcsinh',
                ground: 'sequential',
                maximum: 1,
                title: 'attention probabilities of one head: a row for each token, a column for each token it looks at',
                readout: (r, c) => `${parts.pieceOf(tokens[r])} (token ${tokens[r]}) looks at ` +
                    `${parts.pieceOf(c)} (token ${c}): ` +
                    (c > r + first ? 'not yet there' : parts.percent(probs.at(head, r, c))),
                onHover: (r) => {
                    if (!locked) hovered = r === undefined ? null : tokens[r];
                    paintText();
                },
                markedRow: () => shown() - first,
                onClick: (r) => text.buttons[tokens[r]].click(),
            });

            const numbers = parts.table({
                summary: 'The numbers: all heads of the layer for this token',
                head: () => ['token', ...Array.from({length: H}, (_, h) => `head ${h}`)],
                rows: () => {
                    const row = shown() - first;
                    const shares = Array.from({length: H}, (_, h) => direction.shares(probs, h, row, first));
                    return all.filter((token) => shares[0](token) !== null)
                        .map(
                            (token) =>
                                [`${token} ${parts.pieceOf(token)}`,
                                 ...shares.map((share) => parts.percent(share(token)))]);
                },
            });

            const choice = parts.choice({
                label: 'show',
                value: 'looks',
                options: Object.entries(directions).map(([key, {text}]) => [key, text]),
                onChange: (key) => {
                    direction = directions[key];
                    paintText();
                    numbers.update();
                },
            });
            element.append(make(
                'div', {class: 'side-by-side'}, make('div', {}, make('h3', {}, 'All layers'), grid.element),
                make(
                    'div', {class: 'main-side'}, make('h3', {}, 'One head'), chooser.element, choice, readout,
                    text.element, pointer, large, numbers.element)));

            let theme = null;
            let drawn = '';
            return (selection) => {
                if (theme !== gemma.theme()) grid.draw();
                theme = gemma.theme();
                layer = nearestLayer(layers, selection.layer);
                head = Math.min(selection.head, H - 1);
                probs = probsOf(layer);
                if (!locked && !text.element.matches(':hover')) hovered = null;
                chooser.update(selection);
                grid.mark(layer, head);
                // A small map marks the token's row as well; a large one would take too long at each step.
                const wanted = `${layer} ${head} ${theme} ${tokens.length <= 128 ? selection.token : ''}`;
                if (wanted !== drawn) map.redraw();
                drawn = wanted;
                paintText();
                text.reveal(shown());
                numbers.update();
            };
        },
    });
}
