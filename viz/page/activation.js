'use strict';
// The activation and the gate: GELU's curve with the trace's own points on it, and gate, gelu(gate), up and their
// product of one token side by side.
{
    const {element: make, parts} = gemma;
    const {named, layersWith, nearestLayer, nearestRow, row, largest} = parts;
    const needed = ['mlp.gate_proj', 'mlp.act_fn'];
    const svg = gemma.svg;
    const maxBins = 720;  // of a strip: more columns cannot be told apart

    // erf x = 2/√π e^(-x²) Σ 2ⁿ x^(2n+1) / (1·3·5···(2n+1)): all terms have one sign, no digits are lost.
    function erf(x) {
        if (Math.abs(x) > 6) return Math.sign(x);
        let term = x, sum = x;
        for (let n = 1; Math.abs(term) > 1e-17 * Math.abs(sum); ++n) {
            term *= 2 * x * x / (2 * n + 1);
            sum += term;
        }
        return 2 / Math.sqrt(Math.PI) * Math.exp(-x * x) * sum;
    }

    // The forms of GELU (Hendrycks, Gimpel 2016).
    const forms = {
        tanh: {
            text: 'tanh form (Gemma)',
            formula: '½ x (1 + tanh(√(2/π) (x + 0.044715 x³)))',
            of: (x) => 0.5 * x * (1 + Math.tanh(Math.sqrt(2 / Math.PI) * (x + 0.044715 * x ** 3))),
        },
        erf: {
            text: 'exact (erf)',
            formula: 'x Φ(x) = ½ x (1 + erf(x/√2))',
            of: (x) => 0.5 * x * (1 + erf(x / Math.SQRT2))
        },
        sigmoid: {text: 'sigmoid form', formula: 'x σ(1.702 x)', of: (x) => x / (1 + Math.exp(-1.702 * x))},
    };

    // The ends of an axis that holds the numbers, and at least from -4 to 4.
    function span(numbers) {
        return [numbers.reduce((a, b) => Math.min(a, b), -4), numbers.reduce((a, b) => Math.max(a, b), 4)];
    }

    // The curve and the points. hover(x) hears where on it the pointer is.
    function curveChart(hover) {
        const width = 640, height = 340, left = 40, right = 12, top = 10, bottom = 26;
        const picture = svg('svg', {viewBox: `0 0 ${width} ${height}`, class: 'curve-chart'});
        let toX = (x) => x;
        picture.addEventListener('pointermove', (event) => {
            const box = picture.getBoundingClientRect();
            hover(toX((event.clientX - box.left) / box.width * width));
        });
        picture.addEventListener('pointerleave', () => hover(null));
        const marker = svg('circle', {class: 'mark', r: 6, visibility: 'hidden'});
        let place = () => [0, 0];

        // How many gates lie where: low bars at the foot.
        function histogram(gates, low, high) {
            const bins = 80, counts = new Array(bins).fill(0), size = (width - left - right) / bins;
            for (const gate of gates) ++counts[Math.min(bins - 1, Math.floor((gate - low) / (high - low) * bins))];
            const most = Math.max(...counts);
            return counts
                .map((count, bin) => {
                    const tall = (44 * count / most).toFixed(1);
                    return count === 0 ? '' :
                                         `M${(left + bin * size + 0.5).toFixed(1)},${height - bottom}v-${tall}h${
                                             (size - 1).toFixed(1)}v${tall}z`;
                })
                .join('');
        }

        function draw(gates, outputs, chosen) {
            const [low, high] = span(gates);
            const least = Math.min(-0.9, outputs.reduce((a, b) => Math.min(a, b), 0)),
                  most = Math.max(high, outputs.reduce((a, b) => Math.max(a, b), 0));
            const x = (value) => left + (width - left - right) * (value - low) / (high - low);
            const y = (value) => height - bottom - (height - top - bottom) * (value - least) / (most - least);
            place = (a, b) => [x(a), y(b)];
            toX = (px) => low + (px - left) / (width - left - right) * (high - low);
            const step = [0.5, 1, 2, 5, 10, 20, 50, 100, 1000].find((step) => (high - low) / step <= 12) || high;
            const ticks = [];
            for (let value = Math.ceil(low / step) * step; value <= high; value += step) {
                ticks.push(
                    svg('line', {class: 'grid', x1: x(value), x2: x(value), y1: top, y2: height - bottom}),
                    svg('text', {x: x(value), y: height - 8, 'text-anchor': 'middle'}, gemma.number(value, 1)));
            }
            for (let value = Math.ceil(least / step) * step; value <= most; value += step) {
                ticks.push(
                    svg('line', {class: 'grid', x1: left, x2: width - right, y1: y(value), y2: y(value)}),
                    svg('text', {x: left - 6, y: y(value) + 4, 'text-anchor': 'end'}, gemma.number(value, 1)));
            }
            const line = (f) => Array.from({length: 401}, (_, i) => low + (high - low) * i / 400)
                                    .map((value) => `${x(value).toFixed(2)},${y(f(value)).toFixed(2)}`)
                                    .join(' ');
            // All points are one path of dots: there may be many thousands.
            let dots = '';
            gates.forEach((gate, i) => {
                dots += `M${x(gate).toFixed(1)},${y(outputs[i]).toFixed(1)}h0`;
            });
            picture.replaceChildren(
                ...ticks, svg('path', {class: 'histogram', d: histogram(gates, low, high)}),
                svg('line', {class: 'axis', x1: left, x2: width - right, y1: y(0), y2: y(0)}),
                svg('line', {class: 'axis', x1: x(0), x2: x(0), y1: top, y2: height - bottom}),
                ...Object.keys(forms)
                    .filter((key) => key !== chosen)
                    .map((key) => svg('polyline', {class: 'curve faint', points: line(forms[key].of)})),
                svg('path', {class: 'dots', d: dots}),
                svg('polyline', {class: 'curve', points: line(forms[chosen].of)}), marker);
        }

        return {
            element: picture,
            draw,
            point(gate, output) {
                const [cx, cy] = place(gate, output);
                marker.setAttribute('visibility', 'visible');
                marker.setAttribute('cx', cx);
                marker.setAttribute('cy', cy);
            },
            away: () => marker.setAttribute('visibility', 'hidden'),
        };
    }

    // A quantity of all units as upright bars. Where there are more units than columns, a bar goes from the least to
    // the largest of its units.
    function strip(label, hover) {
        const height = 64;
        const path = svg('path', {class: 'strip-bars'}), zero = svg('path', {class: 'axis'}),
              marker = svg('path', {class: 'strip-mark'});
        const picture = svg('svg', {class: 'strip', preserveAspectRatio: 'none'}, zero, path, marker);
        const scale = make('span', {class: 'strip-scale'});
        let bins = 1, count = 1;
        const over = (event) => {
            const box = picture.getBoundingClientRect();
            hover(Math.max(0, Math.min(count - 1, Math.floor((event.clientX - box.left) / box.width * count))));
        };
        picture.addEventListener('pointermove', over);
        picture.addEventListener('pointerleave', () => hover(null));
        return {
            element: make('div', {class: 'strip-row'}, make('span', {class: 'strip-name'}, label, scale), picture),
            draw(numbers, order) {
                count = numbers.length;
                bins = Math.min(count, maxBins);
                const most = largest(numbers) || 1;
                const y = (value) => (height / 2 * (1 - value / most)).toFixed(1);
                const low = new Float64Array(bins), high = new Float64Array(bins);
                order.forEach((unit, i) => {
                    const bin = Math.floor(i * bins / count);
                    low[bin] = Math.min(low[bin], numbers[unit]);
                    high[bin] = Math.max(high[bin], numbers[unit]);
                });
                let bars = '';
                for (let bin = 0; bin < bins; ++bin) bars += `M${bin + 0.5},${y(low[bin])}V${y(high[bin])}`;
                path.setAttribute('d', bars);
                path.setAttribute('stroke-width', bins < 200 ? 0.7 : 1);
                zero.setAttribute('d', `M0,${height / 2}H${bins}`);
                picture.setAttribute('viewBox', `0 0 ${bins} ${height}`);
                scale.textContent = `±${gemma.number(most, 3)}`;
                gemma.describe(
                    picture,
                    `${label} of ${count} units, between ${gemma.number(numbers.reduce((a, b) => Math.min(a, b)))} ` +
                        `and ${gemma.number(numbers.reduce((a, b) => Math.max(a, b)))}`);
            },
            mark(position) {
                const x = position === null ? null : (Math.floor(position * bins / count) + 0.5);
                marker.setAttribute('d', x === null ? '' : `M${x},0V${height}`);
            },
        };
    }

    const quantities = [
        ['gate', 'mlp.gate_proj', 'gate'],
        ['act', 'mlp.act_fn', 'gelu(gate)'],
        ['up', 'mlp.up_proj', 'up'],
        ['gated', 'mlp.gated', 'gelu(gate) · up'],
    ];
    const orders = {
        index: {text: 'as stored', key: null},
        gate: {text: 'by gate', key: (numbers) => numbers.gate},
        gated: {text: 'by product', key: (numbers) => numbers.gated ?? numbers.act},
    };

    gemma.panel({
        id: 'activation',
        title: 'GELU and the gate',
        about:
            'Every unit of the MLP is a point on the curve: its gate goes in, its activation comes out. GELU all but ' +
            'closes what is below zero; what is open multiplies the unit’s up. The low bars tell how many gates lie ' +
            'where.',
        applies: () => gemma.trace !== null && layersWith(...needed).length > 0,
        mount(element) {
            const layers = layersWith(...needed), name = named(layers[0], needed[0]);
            const chooser = parts.chooser({layers});
            const kinds = quantities.filter(([, part]) => layers.every((layer) => gemma.trace.has(named(layer, part))));
            const chart = curveChart((x) => point(x === null ? null : nearest(x)));
            const strips = kinds.map(
                ([key, , label]) => ({key, ...strip(label, (place) => point(place === null ? null : order[place]))}));
            const fit = make('p', {class: 'readout', 'data-of': 'activation-fit'});
            const readout = make('p', {class: 'readout small', role: 'status', 'data-of': 'activation-unit'});
            const hint = 'Point at the curve or at a bar to read a unit.';
            let form = 'tanh', sorting = 'gated', numbers = null, order = null, places = null;

            const nearest = (x) => numbers.gate.reduce(
                (best, gate, unit) => Math.abs(gate - x) < Math.abs(numbers.gate[best] - x) ? unit : best, 0);

            function point(unit) {
                strips.forEach((strip) => strip.mark(unit === null ? null : places[unit]));
                if (unit === null) {
                    chart.away();
                    readout.textContent = hint;
                    return;
                }
                chart.point(numbers.gate[unit], numbers.act[unit]);
                readout.textContent = `unit ${unit}: ` +
                    kinds.map(([key, , label]) => `${label} ${gemma.number(numbers[key][unit], 5)}`).join(', ');
            }

            function sort() {
                const key = orders[sorting].key?.(numbers);
                order = Array.from(numbers.gate.keys());
                if (key) order.sort((a, b) => key[b] - key[a]);
                places = [];
                order.forEach((unit, place) => {
                    places[unit] = place;
                });
                strips.forEach((strip) => strip.draw(numbers[strip.key], order));
            }

            function drawCurve() {
                chart.draw(numbers.gate, numbers.act, form);
                const distance = (key) => numbers.gate.reduce(
                    (most, gate, unit) => Math.max(most, Math.abs(forms[key].of(gate) - numbers.act[unit])), 0);
                const open = numbers.gate.filter((gate) => gate > 0).length;
                const count = numbers.gate.length;
                fit.textContent = `${forms[form].formula}. The trace’s points lie within ` +
                    `${
                                      Object.keys(forms)
                                          .map((key) => `${parts.small(distance(key))} of the ${forms[key].text}`)
                                          .join(', ')}. ` +
                    `${open} of ${count} gates are above zero.`;
                gemma.describe(
                    chart.element,
                    `GELU, ${forms[form].text}, with ${count} points (gate, activation); ${open} gates are above zero`);
            }

            const table = parts.table({
                summary: 'The numbers: the 20 units with the largest product',
                head: () => ['unit', ...kinds.map(([, , label]) => label)],
                rows: () => {
                    const key = numbers.gated ?? numbers.act;
                    return Array.from(key.keys())
                        .sort((a, b) => Math.abs(key[b]) - Math.abs(key[a]))
                        .slice(0, 20)
                        .map((unit) => [`${unit}`, ...kinds.map(([kind]) => gemma.number(numbers[kind][unit], 5))]);
                },
            });

            element.append(
                chooser.element, parts.choice({
                    label: 'curve',
                    value: form,
                    options: Object.entries(forms).map(([key, {text}]) => [key, text]),
                    onChange: (key) => {
                        form = key;
                        drawCurve();
                    },
                }),
                chart.element, fit, parts.choice({
                    label: 'units',
                    value: sorting,
                    options: Object.entries(orders).map(([key, {text}]) => [key, text]),
                    onChange: (key) => {
                        sorting = key;
                        sort();
                    },
                }),
                make('div', {class: 'strips'}, ...strips.map((strip) => strip.element)), readout, table.element);

            return (selection) => {
                const layer = nearestLayer(layers, selection.layer);
                numbers = {};
                for (const [key, part] of kinds) {
                    const tensor = named(layer, part);
                    numbers[key] = row(gemma.trace.tensor(tensor), nearestRow(tensor, selection.token));
                }
                chooser.update(selection);
                drawCurve();
                sort();
                point(null);
                table.update();
            };
        },
    });
}
