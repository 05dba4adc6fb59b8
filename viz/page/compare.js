'use strict';
// Two traces side by side, as gemma/trace/compare.hpp has it: the largest difference of each tensor as a share of its
// largest number, in the order of the forward pass; the first one over the tolerance is where the two part.
{
    const {element: make, parts} = gemma;
    const least = 1e-9;    // the left end of the logarithmic bars; the right end is 1
    const widest = 160;    // columns of an opened tensor: around the largest difference
    const sliceTime = 24;  // milliseconds of comparing between two breaths of the page
    const isScores = (name) => name.endsWith('.scores');

    const tolerance = (name) => (name === 'lm_head' ? 5e-5 : 1e-5);
    const onScale = (relative) =>
        Math.max(0, Math.min(1, 1 - Math.log10(Math.max(relative, least)) / Math.log10(least)));

    // [T, H, d] and [1, T, H·d] hold the same numbers in the same order.
    function sameOrder(a, b) {
        const plain = (shape) => shape.filter((n) => n !== 1);
        const merged = (shape) => (shape.length < 2 ? shape : [...shape.slice(0, -2), shape.at(-2) * shape.at(-1)]);
        const equal = (x, y) => x.length === y.length && x.every((n, i) => n === y[i]);
        const [x, y] = [plain(a), plain(b)];
        return equal(x, y) || equal(merged(x), y) || equal(x, merged(y));
    }

    // Scores of tokens later than the row's own do not count: the mask takes them away.
    function visible(name, shape) {
        if (!isScores(name)) return () => true;
        const [rows, columns] = shape.slice(-2), first = gemma.trace.tokenOf(name, 0);
        return (i) => i % columns <= first + Math.floor(i / columns) % rows;
    }

    function difference(a, b) {
        if (a === b || (Number.isNaN(a) && Number.isNaN(b))) return 0;
        return Number.isFinite(a) && Number.isFinite(b) ? Math.abs(a - b) : Infinity;
    }

    function compare(name) {
        const result = {name, tolerance: tolerance(name), difference: 0, relative: 0, place: 0};
        if (!gemma.other.has(name)) return {...result, only: 'first'};
        if (!gemma.trace.has(name)) return {...result, only: 'second'};
        const shape = gemma.trace.shape(name);
        if (!sameOrder(shape, gemma.other.shape(name))) return {...result, shapes: true, diverges: true};
        const a = gemma.trace.tensor(name).data, b = gemma.other.tensor(name).data, counts = visible(name, shape);
        let largest = 0;
        for (let i = 0; i < a.length; ++i) {
            if (!counts(i)) continue;
            const here = difference(a[i], b[i]);
            if (here > result.difference) {
                result.difference = here;
                result.place = i;
            }
            if (Number.isFinite(a[i]) && Number.isFinite(b[i])) largest = Math.max(largest, Math.abs(a[i]));
        }
        result.relative = result.difference === 0 ? 0 : result.difference / largest;
        result.numbers = [a[result.place], b[result.place]];
        result.diverges = !(result.relative <= result.tolerance);
        return result;
    }

    // The index of element i of a row-major tensor.
    function indexOf(i, shape) {
        const index = [];
        for (const size of [...shape].reverse()) {
            index.unshift(i % size);
            i = Math.floor(i / size);
        }
        return index;
    }

    // In the order of the forward pass; what only the second has comes behind its neighbour there.
    function allNames() {
        const names = [...gemma.trace.names];
        gemma.other.names.forEach((name, i) => {
            if (!gemma.trace.has(name)) names.splice(1 + names.indexOf(gemma.other.names[i - 1]), 0, name);
        });
        return names;
    }

    // Whether these are two records of the same tokens, in words.
    function differentRuns() {
        const a = gemma.trace.tokens, b = gemma.other.tokens;
        const place = a.findIndex((id, i) => i < b.length && id !== b[i]);
        if (place >= 0) return `The tokens differ: token ${place} is ${a[place]} and ${b[place]}. `;
        return a.length === b.length ? '' : `The tokens differ: there are ${a.length} and ${b.length}. `;
    }

    // The slices of a tensor as matrices: one of [T, D]; of [H, T, S] and [T, H, d] one a head; of [T] a single column.
    function slicesOf(name, shape) {
        if (shape.length === 1) return {slices: 1, rows: shape[0], columns: 1, at: (s, r) => r};
        if (shape.length === 2)
            return {slices: 1, rows: shape[0], columns: shape[1], at: (s, r, c) => r * shape[1] + c};
        if (/\.(scores|probs)$/.test(name)) {
            const [slices, rows, columns] = shape;
            return {slices, rows, columns, at: (s, r, c) => (s * rows + r) * columns + c};
        }
        const [rows, slices, columns] = shape;
        return {slices, rows, columns, at: (s, r, c) => (r * slices + s) * columns + c};
    }

    // One tensor opened: both, and their difference.
    function viewer() {
        const element = make('div', {class: 'opened', hidden: true});
        let redraws = [];

        function show(result) {
            const {name} = result;
            element.hidden = false;
            redraws = [];
            const heading = make('h3', {}, name);
            if (result.only || result.shapes) {
                const why = result.only ? `Only the ${result.only} trace has it.` :
                                          `The shapes differ: [${gemma.trace.shape(name).join(', ')}] and [${
                                              gemma.other.shape(name).join(', ')}].`;
                element.replaceChildren(heading, make('p', {class: 'readout'}, why));
                return;
            }
            const shape = gemma.trace.shape(name), counts = visible(name, shape);
            const a = gemma.trace.tensor(name).data, b = gemma.other.tensor(name).data;
            const {slices, rows, columns, at} = slicesOf(name, shape);
            const index = indexOf(result.place, shape);
            const axis = /\.(scores|probs)$/.test(name) ? 0 : 1;
            let slice = slices > 1 ? index[axis] : 0;
            const shown = Math.min(columns, widest);
            const begin = Math.max(0, Math.min(columns - shown, index[index.length - 1] - Math.floor(shown / 2)));
            const most = (f) => {
                let most = 0;
                for (let i = 0; i < a.length; ++i)
                    if (counts(i)) most = Math.max(most, Math.abs(f(i)) || 0);
                return most;
            };
            const both = Math.max(most((i) => a[i]), most((i) => b[i])) || 1;
            const maps = make('div', {class: columns > 64 ? 'three-maps wide' : 'three-maps'});
            const token = (r) => parts.pieceOf(gemma.trace.tokenOf(name, r));
            for (const [title, f, maximum] of [
                     ['first', (i) => a[i], both],
                     ['second', (i) => b[i], both],
                     ['first − second', (i) => a[i] - b[i], most((i) => a[i] - b[i]) || 1],
            ]) {
                const place = make('div', {}, make('h4', {}, title));
                maps.append(place);
                redraws.push(gemma.heatMap(place, {
                    rows,
                    columns: shown,
                    maximum,
                    title: `${name}, ${title}`,
                    scale: 'arcsinh',
                    ground: 'diverging',
                    value: (r, c) => (counts(at(slice, r, begin + c)) ? f(at(slice, r, begin + c)) : NaN),
                    rowLabel: token,
                    columnLabel: (c) => `${begin + c}`,
                }));
            }
            const controls = slices === 1 ? [] : [parts.list({
                label: 'head',
                options: Array.from({length: slices}, (_, s) => [s, `${s}`]),
                onChange: (value) => {
                    slice = Number(value);
                    redraws.forEach((map) => map.redraw());
                },
            })];
            controls.forEach((control) => control.set(slice));
            element.replaceChildren(
                heading,
                make(
                    'p', {class: 'readout', 'data-of': 'compare-opened'},
                    result.difference === 0 ?
                        'The two are the same.' :
                        `They differ most at [${index.join(', ')}]: ${gemma.number(result.numbers[0], 7)} and ${
                            gemma.number(result.numbers[1], 7)}, ` +
                            `by ${parts.small(result.difference)}, which is ${
                                parts.small(result.relative)} of the largest number ` +
                            `(${parts.small(result.tolerance)} is allowed).`),
                ...(shown < columns ?
                        [make(
                            'p', {class: 'readout small'},
                            `Columns ${begin} to ${begin + shown - 1} of ${columns}, around that place.`)] :
                        []),
                ...controls.map((control) => control.element), maps);
        }
        return {element, show, redraw: () => redraws.forEach((map) => map.redraw())};
    }

    gemma.panel({
        id: 'compare',
        title: 'Two traces',
        about:
            'For every tensor, the largest difference as a share of the tensor’s largest number, on a logarithmic ' +
            'scale from 10⁻⁹ to 1. The line in each bar is what two correct float32 programs may differ by. Where a ' +
            'bar first crosses it, the two part: look there for the reason.',
        applies: () => gemma.trace !== null && gemma.other !== null,
        mount(element) {
            const names = allNames(), results = new Map();
            const verdict = make('p', {class: 'readout', role: 'status', 'data-of': 'compare'});
            const body = make('tbody', {});
            const opened = viewer();
            const rows = names.map((name) => {
                const button = make('button', {type: 'button', class: 'name', onclick: () => open(name)}, name);
                const cells = ['', ''].map(() => make('td', {}));
                const tr = make('tr', {'data-name': name}, make('th', {scope: 'row'}, button), ...cells);
                body.append(tr);
                return {name, button, tr, cells};
            });
            const list = make(
                'div', {
                    class: 'scroll compare-list',
                    tabindex: 0,
                    role: 'region',
                    'aria-label': 'all tensors and how far they differ'
                },
                make(
                    'table', {class: 'comparison'},
                    make('caption', {class: 'hidden-text'}, 'relative difference of each tensor'),
                    make(
                        'thead', {},
                        make(
                            'tr', {}, make('th', {scope: 'col'}, 'tensor'),
                            make('th', {scope: 'col'}, 'relative difference'), make('th', {scope: 'col'}, ''))),
                    body));
            element.append(verdict, list, opened.element);

            function open(name) {
                if (!results.has(name)) return;
                opened.show(results.get(name));
                rows.forEach(({name: other, button, tr}) => {
                    button.setAttribute('aria-pressed', String(other === name));
                    tr.classList.toggle('current', other === name);
                });
            }

            function paint({tr, cells}, result) {
                const words = result.only ? `only in the ${result.only}` :
                    result.shapes           ? 'other shape' :
                    result.difference === 0 ? 'equal' :
                                              parts.small(result.relative);
                const bar = parts.bar(
                    result.only || result.shapes ? 0 : onScale(result.relative), result.diverges ? 'over' : '');
                const mark = make('span', {class: 'tolerance'});
                mark.style.left = `${100 * onScale(result.tolerance)}%`;
                bar.append(mark);
                cells[0].className = 'measure';
                cells[0].replaceChildren(bar);
                cells[1].className = 'figure';
                cells[1].textContent = words;
                tr.classList.toggle('diverges', Boolean(result.diverges));
            }

            let first = null;
            function finish() {
                const compared = [...results.values()], over = compared.filter((result) => result.diverges);
                if (over.length === 0) {
                    const worst = compared.reduce((a, b) => (b.relative > a.relative ? b : a));
                    verdict.textContent = differentRuns() +
                        `All ${compared.filter((result) => !result.only).length} tensors that both have agree; ` +
                        `the largest difference is ${parts.small(worst.relative)}, in ${worst.name}.`;
                    open(worst.name);
                    return;
                }
                verdict.textContent = differentRuns() +
                    `The first divergence is ${first}; ${over.length} of ${compared.length} tensors differ.`;
                verdict.classList.add('trouble');
            }

            // Large traces have many millions of numbers: they are compared in slices, so that the page stays alive.
            function work(begin) {
                const start = performance.now();
                let i = begin;
                for (; i < rows.length && performance.now() - start < sliceTime; ++i) {
                    const result = compare(rows[i].name);
                    results.set(rows[i].name, result);
                    paint(rows[i], result);
                    if (result.diverges && first === null) {
                        first = result.name;
                        rows[i].tr.classList.add('first');
                        rows[i].cells[1].append(' ← first');
                        open(first);
                        list.scrollTop = rows[i].tr.offsetTop - list.clientHeight / 3;
                    }
                }
                verdict.textContent = `${i} of ${rows.length} tensors compared …`;
                if (i === rows.length)
                    finish();
                else
                    setTimeout(() => work(i));
            }
            work(0);

            let theme = gemma.theme();
            return () => {
                if (theme !== gemma.theme()) opened.redraw();
                theme = gemma.theme();
            };
        },
    });
}
