'use strict';
// Rotary position embedding, one plane at a time: coordinates j and j + d/2 of a query and of a key are two arrows;
// each turns by its position times theta_j. Everything is computed here, in double precision, from what the trace has
// from before the rotation, and compared with what it has from after it.
{
    const {element: make, parts} = gemma;
    const {named, layersWith, nearestLayer, nearestRow, tokensOf} = parts;
    const needed = ['self_attn.q_proj', 'self_attn.k_proj'];
    const svg = gemma.svg;
    const defaultBase = 10000;  // Su et al. 2021, and Gemma

    // Pair j of a head's vector, turned to a position.
    function turned([x, y], angle) {
        const cos = Math.cos(angle), sin = Math.sin(angle);
        return [x * cos - y * sin, x * sin + y * cos];
    }
    const product = (a, b) => a[0] * b[0] + a[1] * b[1];

    // The head's vector of a row of [rows, heads, d].
    function vectorOf(tensor, row, head) {
        const [, heads, d] = tensor.shape;
        return tensor.data.subarray((row * heads + head) * d, (row * heads + head + 1) * d);
    }
    const pairOf = (vector, j) => [vector[j], vector[j + vector.length / 2]];

    // The largest difference between our rotation of a head and the trace's, over all its rows, as a share of the
    // trace's largest number; null where the trace has no rotated vectors.
    function disagreement(layer, before, after, head, base) {
        if (!gemma.trace.has(named(layer, after))) return null;
        const plain = gemma.trace.tensor(named(layer, before)), rotated = gemma.trace.tensor(named(layer, after));
        const [rows, , d] = plain.shape, first = gemma.trace.tokenOf(named(layer, before), 0);
        let most = 0, largest = 0;
        for (let r = 0; r < rows; ++r) {
            const x = vectorOf(plain, r, head), y = vectorOf(rotated, r, head);
            for (let j = 0; j < d / 2; ++j) {
                const ours = turned(pairOf(x, j), (first + r) * base ** (-2 * j / d)), theirs = pairOf(y, j);
                most = Math.max(most, Math.abs(ours[0] - theirs[0]), Math.abs(ours[1] - theirs[1]));
                largest = Math.max(largest, Math.abs(theirs[0]), Math.abs(theirs[1]));
            }
        }
        return largest === 0 ? 0 : most / largest;
    }

    // A circle with arrows from its middle, for numbers up to `reach`. y grows upwards.
    function plane(title) {
        const picture = svg('svg', {viewBox: '-120 -120 240 240', class: 'plane'});
        const place = ([x, y], reach) => [100 * x / reach, -100 * y / reach];
        const arrow = (vector, reach, kind, label) => {
            const [x, y] = place(vector, reach), angle = Math.atan2(y, x), size = Math.hypot(x, y);
            const head = Math.min(9, size / 2);
            const corner = (turn) => `${x - head * Math.cos(angle + turn)},${y - head * Math.sin(angle + turn)}`;
            return svg(
                'g', {class: `arrow ${kind}`}, svg('line', {x1: 0, y1: 0, x2: x, y2: y}),
                svg('polygon', {points: `${x},${y} ${corner(0.45)} ${corner(-0.45)}`}),
                label && svg('text', {x: x + 11 * Math.cos(angle), y: y + 11 * Math.sin(angle)}, label));
        };
        // From one vector's direction to another's, the way the rotation goes (less than one turn of it is drawn).
        const arc = (from, angle, radius, reach, kind) => {
            const rest = angle % (2 * Math.PI), steps = Math.max(2, Math.ceil(Math.abs(rest) / 0.1));
            const start = Math.atan2(from[1], from[0]);
            const points = Array.from(
                {length: steps + 1},
                (_, i) => place(
                    [radius * Math.cos(start + rest * i / steps), radius * Math.sin(start + rest * i / steps)], 1));
            return svg('polyline', {
                class: `arc ${kind}`,
                points: points.map((point) => point.map((x) => x.toFixed(2)).join(',')).join(' ')
            });
        };
        return {
            element: make('figure', {}, picture, make('figcaption', {}, title)),
            draw(text, ...content) {
                gemma.describe(picture, text);
                picture.replaceChildren(
                    svg('circle', {class: 'rim', r: 100}), svg('path', {class: 'cross', d: 'M-110,0H110M0,-110V110'}),
                    ...content.flat());
            },
            arrow,
            arc,
        };
    }

    // The dot product of a plane over the distance between the two: a wave.
    function wave() {
        const width = 640, height = 130, left = 8, right = 8;
        const picture = svg('svg', {viewBox: `0 0 ${width} ${height}`, class: 'wave'});
        return {
            element: picture,
            draw(q, k, theta, distance, reach) {
                const most = Math.hypot(...q) * Math.hypot(...k) || 1, from = Math.min(0, distance);
                const span = Math.max(reach, distance) - from;
                const x = (s) => left + (width - left - right) * (s - from) / span;
                const y = (value) => height / 2 - (height / 2 - 16) * value / most;
                // q at distance s from k: only the difference of the angles counts.
                const value = (s) => product(turned(q, s * theta), k);
                const points = Array.from({length: 641}, (_, i) => from + span * i / 640)
                                   .map((s) => `${x(s).toFixed(1)},${y(value(s)).toFixed(1)}`);
                gemma.describe(
                    picture,
                    `the dot product of this plane over the distance from query to key, 0 to ` +
                        `${reach}: a wave of ${gemma.number(2 * Math.PI / theta)} tokens; ${
                            gemma.number(value(distance))} at ${distance}`);
                picture.replaceChildren(
                    svg('line', {class: 'axis', x1: left, x2: width - right, y1: y(0), y2: y(0)}),
                    svg('polyline', {class: 'curve', points: points.join(' ')}),
                    svg('line', {class: 'mark', x1: x(distance), x2: x(distance), y1: y(0), y2: y(value(distance))}),
                    svg('circle', {class: 'mark', cx: x(distance), cy: y(value(distance)), r: 5}),
                    svg('text', {x: left, y: height - 3}, `distance ${from}`),
                    svg('text', {x: width - right, y: height - 3, 'text-anchor': 'end'}, `${from + span}`));
            },
        };
    }

    gemma.panel({
        id: 'rope',
        title: 'RoPE: positions as rotations',
        about:
            'Two coordinates of a query and of a key, j and j + d/2, are arrows in a plane. Each turns by its ' +
            'position times θⱼ; the first planes turn fast, the last ones hardly at all. Shift both positions: the ' +
            'arrows turn together and their dot product stays what it was, so attention sees distances only.',
        applies: () => gemma.trace !== null && layersWith(...needed).length > 0,
        mount(element) {
            const trace = gemma.trace, layers = layersWith(...needed);
            const [queryName, keyName] = needed.map((part) => named(layers[0], part));
            const [, H, d] = trace.shape(queryName), K = trace.shape(keyName)[1];
            const base = trace.config?.rope_theta ?? defaultBase;
            const context = trace.config?.max_position_embeddings ?? 8192;
            const tokens = tokensOf(queryName), last = trace.tokens.length - 1;
            const state = {j: Math.min(3, d / 2 - 1), m: 0, n: 0, shift: 0, key: tokens[0]};

            const chooser = parts.chooser({layers, heads: H});
            const key = parts.list({
                label: 'key of token',
                options: tokens.map((token) => [token, `${token} ${parts.pieceOf(token)}`]),
                onChange: (token) => {
                    state.key = Number(token);
                    place();
                    draw();
                },
            });
            const range = Math.min(context - 1, Math.max(63, last));
            const slider = (label, property, max, min = 0) => parts.slider({
                label,
                min,
                max,
                value: state[property],
                onInput: (value) => {
                    state[property] = value;
                    limit();
                    draw();
                },
            });
            const sliders = {
                j: slider('pair j', 'j', d / 2 - 1),
                m: slider('position of the query', 'm', range),
                n: slider('position of the key', 'n', range),
                shift: slider('shift both', 'shift', context - 1),
            };
            const before = plane('before: as projected'), after = plane('after: turned to their positions');
            const distanceWave = wave();
            const facts = make('p', {class: 'readout', 'data-of': 'rope-frequency'});
            const products = make('tbody', {});
            const proof = make('p', {class: 'readout small', 'data-of': 'rope-proof'});
            const status = make('p', {class: 'hidden-text', role: 'status'});
            let layer = layers[0], head = 0, token = tokens[0], proven = '';

            // The positions that the two tokens have in the trace.
            function place() {
                Object.assign(state, {m: token, n: state.key, shift: 0});
                for (const name of ['m', 'n', 'shift']) sliders[name].limit(0, name === 'shift' ? context - 1 : range);
                limit();
                for (const name of ['m', 'n', 'shift']) sliders[name].set(state[name]);
            }

            function limit() {
                sliders.shift.limit(0, context - 1 - Math.max(state.m, state.n));
                state.shift = sliders.shift.value();
                sliders.shift.set(state.shift);
            }

            function vectors() {
                return {
                    q: vectorOf(
                        trace.tensor(named(layer, needed[0])), nearestRow(named(layer, needed[0]), token), head),
                    k: vectorOf(
                        trace.tensor(named(layer, needed[1])), nearestRow(named(layer, needed[1]), state.key),
                        Math.floor(head / (H / K))),
                };
            }

            const theta = (j) => base ** (-2 * j / d);

            // Of all planes together.
            function headProduct({q, k}, m, n) {
                let sum = 0;
                for (let j = 0; j < d / 2; ++j) {
                    sum += product(turned(pairOf(q, j), m * theta(j)), turned(pairOf(k, j), n * theta(j)));
                }
                return sum;
            }

            function draw() {
                const {j, m, n, shift} = state, both = vectors();
                const q = pairOf(both.q, j), k = pairOf(both.k, j);
                const [qAngle, kAngle] = [(m + shift) * theta(j), (n + shift) * theta(j)];
                const [qTurned, kTurned] = [turned(q, qAngle), turned(k, kAngle)];
                const reach = Math.max(Math.hypot(...q), Math.hypot(...k)) || 1;
                const words = (a, b) => `query (${a.map((x) => gemma.number(x)).join(', ')}), key (${
                    b.map((x) => gemma.number(x)).join(', ')})`;

                before.draw(
                    `before the rotation: ${words(q, k)}`, before.arrow(q, reach, 'query', 'q'),
                    before.arrow(k, reach, 'key', 'k'));
                after.draw(
                    `after the rotation: ${words(qTurned, kTurned)}`, after.arc(q, qAngle, 0.42, reach, 'query'),
                    after.arc(k, kAngle, 0.3, reach, 'key'), after.arrow(q, reach, 'query ghost'),
                    after.arrow(k, reach, 'key ghost'), after.arrow(qTurned, reach, 'query', 'q'),
                    after.arrow(kTurned, reach, 'key', 'k'));
                distanceWave.draw(q, k, theta(j), m - n, range);

                const degrees = (angle) => `${(angle * 180 / Math.PI).toFixed(1)}°`;
                facts.textContent = `θ${subscript(j)} = ${base}^(−2·${j}/${d}) = ${
                                        gemma.number(theta(j), 6)} per token: a full turn every ` +
                    `${gemma.number(2 * Math.PI / theta(j))} tokens. The query turns ${degrees(qAngle)}, the key ${
                                        degrees(kAngle)}.`;

                const digits = (x) => gemma.number(x, 8);
                const plain = product(turned(q, m * theta(j)), turned(k, n * theta(j))),
                      shifted = product(qTurned, kTurned);
                const whole = headProduct(both, m, n), wholeShifted = headProduct(both, m + shift, n + shift);
                const line = (what, ...numbers) =>
                    make('tr', {}, make('th', {scope: 'row'}, what), ...numbers.map((x) => make('td', {}, digits(x))));
                products.replaceChildren(
                    line('this plane', product(q, k), plain, shifted),
                    line(`all ${d / 2} planes`, parts.dot(both.q, both.k), whole, wholeShifted),
                    line(
                        `· 1/√${d}: the score`, parts.dot(both.q, both.k) / Math.sqrt(d), whole / Math.sqrt(d),
                        wholeShifted / Math.sqrt(d)));
                columns[1].textContent = `at positions ${m} and ${n}`;
                columns[2].textContent =
                    shift === 0 ? 'both shifted by 0' : `at ${m + shift} and ${n + shift}: shifted by ${shift}`;
                status.textContent = `pair ${j}: dot product ${digits(shifted)}`;
                proof.textContent = proven + scoreOfTrace(whole / Math.sqrt(d));
            }

            // What the trace itself has for this query and key, when they stand where they stood.
            function scoreOfTrace(ours) {
                const name = named(layer, 'self_attn.scores');
                if (!trace.has(name) || state.m !== token || state.n !== state.key || state.key > token) return '';
                const [, T, S] = trace.shape(name), row = trace.rowOf(name, token);
                if (row === null || state.key >= S) return '';
                const theirs = trace.tensor(name).data[(head * T + row) * S + state.key];
                return ` Its score of these two is ${gemma.number(theirs, 8)}; here ${gemma.number(ours, 8)}.`;
            }

            function prove() {
                const differences = [
                    disagreement(layer, needed[0], 'self_attn.q_rope', head, base),
                    disagreement(layer, needed[1], 'self_attn.k_rope', Math.floor(head / (H / K)), base)
                ];
                if (differences.includes(null)) return 'The trace has no rotated queries and keys to compare with.';
                return 'The same rotation of all queries and keys of this head differs from the trace (q_rope, ' +
                    `k_rope) by at most ${parts.small(Math.max(...differences))} of its largest number.`;
            }

            const columns = ['before', '', ''].map((text) => make('th', {scope: 'col'}, text));
            element.append(
                chooser.element, key.element,
                make('div', {class: 'sliders'}, ...Object.values(sliders).map((slider) => slider.element)),
                make('div', {class: 'planes'}, before.element, after.element), facts,
                make(
                    'div', {class: 'scroll'},
                    make(
                        'table', {class: 'products'}, make('caption', {}, 'dot product of query and key'),
                        make('thead', {}, make('tr', {}, make('td', {}), ...columns)), products)),
                make(
                    'figure', {}, distanceWave.element,
                    make('figcaption', {}, 'the dot product of this plane over the distance between query and key')),
                proof, status);

            let known = null;
            return (selection) => {
                layer = nearestLayer(layers, selection.layer);
                head = Math.min(selection.head, H - 1);
                const selected = tokens[nearestRow(queryName, selection.token)];
                const seen = `${layer} ${head}`;
                if (known !== seen) proven = prove();
                if (known === null) state.key = tokens[Math.max(0, tokens.indexOf(selected) - 3)];
                if (known === null || selected !== token) {
                    token = selected;
                    place();
                }
                known = seen;
                chooser.update(selection);
                key.set(state.key);
                draw();
            };
        },
    });

    // 12 as ₁₂.
    const subscript = (number) => String(number).replace(/\d/g, (digit) => '₀₁₂₃₄₅₆₇₈₉'[digit]);
}
