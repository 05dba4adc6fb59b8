'use strict';
// The residual stream: how long it is after each sum, what attention and the MLP add, and what the model would say if
// it stopped after a layer (the logit lens; nostalgebraist 2020).
{
    const {element: make, parts} = gemma;
    const {named, nearestRow, tokensOf, row, dot, length} = parts;

    // The places where the stream can be looked at, in the order of the forward pass: [label, name, layer].
    function stations() {
        const all = [['embedding', 'model.embed_scaled', 0]];
        for (let layer = 0; layer < gemma.trace.layers; ++layer) {
            all.push(
                [`${layer} + attn`, named(layer, 'residual_attn'), layer], [`${layer} + MLP`, named(layer), layer]);
        }
        return all.filter(([, name]) => gemma.trace.has(name));
    }

    // The lengths of a station's rows.
    function lengthsOf(name) {
        const tensor = gemma.trace.tensor(name);
        return Float64Array.from({length: tensor.shape[0]}, (_, r) => length(row(tensor, r)));
    }

    // What is added to the stream: [what, the addition, the stream before it].
    const additions = (layer) => [
        ['attention', named(layer, 'self_attn.o_proj'), layer === 0 ? 'model.embed_scaled' : named(layer - 1)],
        ['MLP', named(layer, 'mlp.down_proj'), named(layer, 'residual_attn')],
    ];
    const hasAddition = ([, addition, stream]) => gemma.trace.has(addition) && gemma.trace.has(stream);

    const cosine = (a, b) => dot(a, b) / (length(a) * length(b) || 1);

    // The addition of one token: how long it is, and whether it goes along with the stream or against it.
    function measure([what, addition, stream], token) {
        const added = row(gemma.trace.tensor(addition), nearestRow(addition, token));
        const before = row(gemma.trace.tensor(stream), nearestRow(stream, token));
        return {what, length: length(added), stream: length(before), cosine: cosine(added, before)};
    }

    function normMap(element) {
        const places = stations(), lengths = places.map(([, name]) => lengthsOf(name));
        const tokens = tokensOf(places[0][1]);
        return gemma.heatMap(element, {
            rows: places.length,
            columns: tokens.length,
            value: (r, c) => lengths[r][c],
            rowLabel: (r) => places[r][0],
            columnLabel: (c) => parts.pieceOf(tokens[c]),
            readout: (r, c) => `${places[r][0]}, ${parts.pieceOf(tokens[c])} (token ${tokens[c]}): length ${
                gemma.number(lengths[r][c], 5)}`,
            scale: 'arcsinh',
            ground: 'sequential',
            title: 'length of the residual stream: a row for each sum, a column for each token',
            onClick: (r, c) => gemma.select({layer: places[r][2], token: tokens[c]}),
        });
    }

    // A table whose cells are bars: a picture for the eye, numbers for everyone.
    function additionsTable() {
        const body = make('tbody', {});
        const caption = make('caption', {});
        const table = make(
            'table', {class: 'additions'}, caption,
            make(
                'thead', {},
                make(
                    'tr', {},
                    ...['layer', 'adds', 'length', 'cosine to the stream'].map(
                        (text) => make('th', {scope: 'col'}, text)))),
            body);

        // From the middle to the left (against the stream) or to the right (along with it).
        const balance = (cosine) => {
            const fill = make('span', {class: 'balance-fill'});
            fill.style.left = `${50 + 50 * Math.min(0, cosine)}%`;
            fill.style.width = `${50 * Math.abs(cosine)}%`;
            return make('span', {class: 'balance', 'aria-hidden': 'true'}, fill);
        };
        return {
            element: make('div', {class: 'scroll'}, table),
            update(selection) {
                const token = selection.token, rows = [];
                for (let layer = 0; layer < gemma.trace.layers; ++layer) {
                    for (const addition of additions(layer).filter(hasAddition))
                        rows.push({layer, ...measure(addition, token)});
                }
                const most = Math.max(...rows.map((row) => row.length));
                caption.textContent = `What is added to the stream of “${parts.pieceOf(token)}” (token ${token})`;
                body.replaceChildren(...rows.map(
                    (row, i) => make(
                        'tr', {class: row.layer === selection.layer ? 'current' : null},
                        make(
                            'th', {scope: 'row'},
                            i > 0 && rows[i - 1].layer === row.layer ?
                                make('span', {class: 'hidden-text'}, `${row.layer}`) :
                                `${row.layer}`),
                        make('td', {}, row.what),
                        make(
                            'td', {class: 'measure'},
                            parts.bar(row.length / most, row.what === 'MLP' ? 'mlp' : 'attention'),
                            make('span', {class: 'figure'}, gemma.number(row.length, 3))),
                        make(
                            'td', {class: 'measure'}, balance(row.cosine),
                            make(
                                'span', {class: 'figure'},
                                (row.cosine < 0 ? '−' : '+') + Math.abs(row.cosine).toFixed(2))))));
            },
        };
    }

    // Layers × tokens, each cell the likeliest piece.
    function lensTable() {
        const lens = gemma.lens, window = 64;  // tokens shown at a time
        const layers = lens.layers.map((_, layer) => layer).filter((layer) => lens.layers[layer]);
        const count = lens.layers[layers[0]].length;
        const columns = Math.min(count, window);
        let begin = 0, cells = [], painted = null;

        const readout = make('p', {class: 'readout small', role: 'status', 'data-of': 'lens'});
        const body = make('tbody', {}), heading = make('tr', {});
        const table = make('table', {class: 'lens'}, make('thead', {}, heading), body);
        const place = make('span', {});
        const move = (by) => {
            begin = Math.max(0, Math.min(count - columns, begin + by));
            fill();
        };
        const pages = make(
            'div', {class: 'pages'}, make('button', {type: 'button', onclick: () => move(-columns)}, 'earlier'), place,
            make('button', {type: 'button', onclick: () => move(columns)}, 'later'));
        pages.hidden = count <= columns;

        function tell(layer, token) {
            const five = lens.layers[layer][token - lens.first];
            readout.textContent =
                `After layer ${layer}, at “${parts.pieceOf(token)}” (token ${token}), the model would go on with: ` +
                five.map(
                        ({token: id, piece, probability}) =>
                            `“${parts.visible(piece, id)}” ${parts.percent(probability)}`)
                    .join(', ') +
                '.';
        }

        function cell(layer, token) {
            const [best] = lens.layers[layer][token - lens.first];
            const text = parts.visible(best.piece, best.token);
            const button = make(
                'button', {
                    type: 'button',
                    tabindex: -1,
                    'data-layer': layer,
                    'data-token': token,
                    'aria-label': `layer ${layer}, token ${token}: ${text}, ${parts.percent(best.probability)}`,
                },
                text);
            parts.shade(button, best.probability);
            return button;
        }

        function fill() {
            const tokens = Array.from({length: columns}, (_, i) => lens.first + begin + i);
            cells = layers.flatMap((layer) => tokens.map((token) => cell(layer, token)));
            heading.replaceChildren(
                make('th', {scope: 'col'}, 'layer'),
                ...tokens.map((token) => make('th', {scope: 'col', 'data-token': token}, parts.pieceOf(token))));
            body.replaceChildren(...layers.map(
                (layer, i) => make(
                    'tr', {}, make('th', {scope: 'row'}, `${layer}`),
                    ...cells.slice(i * columns, (i + 1) * columns).map((button) => make('td', {}, button)))));
            place.textContent = ` tokens ${tokens[0]} to ${tokens[columns - 1]} of ${lens.first + count} `;
            painted = gemma.theme();
            mark(gemma.selection);
        }

        const at = (event) => {
            const button = event.target.closest('button[data-layer]');
            return button && [Number(button.dataset.layer), Number(button.dataset.token)];
        };
        table.addEventListener('pointerover', (event) => {
            if (at(event)) tell(...at(event));
        });
        table.addEventListener('focusin', (event) => {
            if (at(event)) tell(...at(event));
        });
        table.addEventListener('click', (event) => {
            if (at(event)) gemma.select({layer: at(event)[0], token: at(event)[1]});
        });
        parts.arrows(table, () => cells, parts.gridStep(() => columns));

        // Brings the chosen column into sight.
        const box = make('div', {class: 'scroll'}, table);
        function reveal(button) {
            if (!button || box.matches(':hover')) return;
            const outer = box.getBoundingClientRect(), inner = button.getBoundingClientRect(), labels = 60;
            if (inner.left < outer.left + labels || inner.right > outer.right) {
                box.scrollLeft += inner.left - (outer.left + outer.right) / 2;
            }
        }

        const nearestToken = (token) => Math.max(lens.first, Math.min(lens.first + count - 1, token));

        function mark(selection) {
            const token = nearestToken(selection.token), layer = parts.nearestLayer(layers, selection.layer);
            const chosen = layers.indexOf(layer) * columns + token - lens.first - begin;
            cells.forEach((button, i) => button.classList.toggle('current', i === chosen));
            heading.querySelectorAll('th').forEach(
                (th) => th.classList.toggle('marked', th.dataset.token === String(token)));
            parts.focusable(cells, Math.max(0, chosen));
            reveal(cells[chosen]);
            tell(layer, token);
        }

        return {
            element: make(
                'div', {}, make('h3', {}, 'Logit lens'),
                make(
                    'p', {class: 'note'},
                    'The stream after each layer, through the final norm and the embedding: ' +
                        'what the model would say if it stopped there. ' + (lens.note ?? '')),
                pages, box, readout),
            update(selection) {
                const place = nearestToken(selection.token) - lens.first;
                const outside = place < begin || place >= begin + columns;
                if (outside) begin = Math.max(0, Math.min(count - columns, place - Math.floor(columns / 2)));
                if (outside || painted !== gemma.theme())
                    fill();
                else
                    mark(selection);
            },
        };
    }

    gemma.panel({
        id: 'residual',
        title: 'Residual stream',
        about:
            'One vector a token runs through all layers; attention and MLP only add to it. Look where it grows, ' +
            'which of the two adds more, and in which layer the answer appears.',
        applies: () => gemma.trace !== null && (stations().length > 0 || gemma.lens !== null),
        mount(element) {
            const sections = [];
            if (stations().length > 0) {
                const map = make('div', {});
                element.append(make('h3', {}, 'How long it is'), map);
                const heat = normMap(map);
                let theme = gemma.theme();
                sections.push({
                    update() {
                        if (theme !== gemma.theme()) heat.redraw();
                        theme = gemma.theme();
                    }
                });
            }
            const layers = Array.from({length: gemma.trace.layers}, (_, layer) => layer);
            if (layers.some((layer) => additions(layer).some(hasAddition))) {
                const table = additionsTable();
                element.append(make('h3', {}, 'What is added'), table.element);
                sections.push(table);
            }
            if (gemma.lens && gemma.lens.layers.some((layer) => layer !== null)) {
                const table = lensTable();
                element.append(table.element);
                sections.push(table);
            }
            return (selection) => {
                for (const part of sections) part.update(selection);
            };
        },
    });
}
