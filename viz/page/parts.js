'use strict';
// What the panels share: a token's row in a tensor, sliders and choices, bars, and the table behind a picture.

gemma.parts = (() => {
    const element = gemma.element;

    // The name of a tensor of a layer: named(3, 'mlp.gated') is "model.layers.3.mlp.gated".
    const named = (layer, part) => `model.layers.${layer}` + (part ? `.${part}` : '');

    // The layers of the trace that have all of these parts.
    function layersWith(...parts) {
        const layers = [];
        for (let layer = 0; layer < gemma.trace.layers; ++layer) {
            if (parts.every((part) => gemma.trace.has(named(layer, part)))) layers.push(layer);
        }
        return layers;
    }

    // The selected layer, or the one of `layers` that is nearest to it.
    function nearestLayer(layers, selected) {
        return layers.reduce((best, layer) => Math.abs(layer - selected) < Math.abs(best - selected) ? layer : best);
    }

    // The row of a tensor for a token; the nearest row where that token's was not kept.
    function nearestRow(name, token) {
        const trace = gemma.trace;
        return Math.max(0, Math.min(trace.rows(name) - 1, token - trace.tokenOf(name, 0)));
    }

    // The tokens that have a row in a tensor.
    const tokensOf = (name) => Array.from({length: gemma.trace.rows(name)}, (_, r) => gemma.trace.tokenOf(name, r));

    // Row r of a tensor [rows, ...], as numbers.
    function row(tensor, r) {
        const size = tensor.data.length / tensor.shape[0];
        return tensor.data.subarray(r * size, (r + 1) * size);
    }

    const length = (numbers) => Math.sqrt(dot(numbers, numbers));

    function dot(a, b) {
        let sum = 0;
        for (let i = 0; i < a.length; ++i) sum += a[i] * b[i];
        return sum;
    }

    function largest(numbers) {
        let most = 0;
        for (let i = 0; i < numbers.length; ++i) most = Math.max(most, Math.abs(numbers[i]));
        return most;
    }

    // The tokens of a row of logits, likeliest first, ties to the lower id.
    const likeliest = (logits) => Uint32Array.from(logits.keys()).sort((a, b) => logits[b] - logits[a] || a - b);

    // A small number that is not shown as 0.000.
    const small = (x) =>
        x !== 0 && Math.abs(x) < 0.1 ? x.toExponential(1).replaceAll('-', '−') : gemma.number(x, 3);

    // 45.3 %, 0.012 %, < 0.0001 %.
    function percent(share) {
        if (share >= 0.001 || share === 0) return `${(100 * share).toFixed(1)} %`;
        return share < 1e-6 ? '< 0.0001 %' : `${Number((100 * share).toPrecision(2))} %`;
    }

    // A piece as it is read on a page: line breaks and blanks are visible, an id stands for an unknown one.
    function visible(piece, id) {
        if (piece === null || piece === undefined || piece === '') return `#${id}`;
        const written = piece.replaceAll('\n', '⏎').replaceAll('\t', '⇥');
        return written.replace(/^ +$/, (blanks) => '␣'.repeat(blanks.length));
    }
    const pieceOf = (token) =>
        (token in gemma.trace.tokens ? visible(gemma.trace.pieces[token], gemma.trace.tokens[token]) : `${token}`);
    const pieceOfId = (id) => visible(gemma.piece(id), id);

    // The arcsinh scale of heat maps, on which small shares can be seen.
    const brightness = (share) => Math.asinh(100 * share) / Math.asinh(100);

    // Paints an element by a share from 0 to 1, with text that stays readable on it.
    function shade(target, share) {
        const [r, g, b] = gemma.colours.sequential(Math.max(0, Math.min(1, share)));
        target.style.backgroundColor = `rgb(${r}, ${g}, ${b})`;
        target.style.color = readableOn(r, g, b);
    }

    // Black or white, whichever has the larger contrast (WCAG's relative luminance).
    function readableOn(...rgb) {
        const [r, g, b] =
            rgb.map((value) => value / 255 <= 0.04045 ? value / 255 / 12.92 : ((value / 255 + 0.055) / 1.055) ** 2.4);
        return 0.2126 * r + 0.7152 * g + 0.0722 * b > 0.179 ? '#000' : '#fff';
    }

    // A labelled slider over a list of values, or from `min` to `max` by `step`.
    function slider({label, values, min = 0, max = 0, step = 1, value, format = String, onInput}) {
        const id = gemma.uniqueName('slider');
        const input = element('input', {type: 'range', id});
        const output = element('output', {for: id
        });
        const current = () => values ? values[Number(input.value)] : Number(input.value);
        const show = () => {
            output.textContent = format(current());
            input.setAttribute('aria-valuetext', output.textContent);
        };
        const range = (low, high, by) => {
            input.min = low;
            input.max = high;
            input.step = by;
        };
        if (values)
            range(0, values.length - 1, 1);
        else
            range(min, max, step);
        const set = (next) => {
            input.value = values ? values.indexOf(next) : next;
            show();
        };
        set(value);
        input.addEventListener('input', () => {
            show();
            onInput(current());
        });
        return {
            element: element(
                'div', {class: 'slider'},
                element(
                    'label',
                    {for: id
                    },
                    label),
                output, input),
            input,
            value: current,
            set,
            limit: (low, high) => range(low, high, step),
        };
    }

    // A group of radio buttons; options are [value, text].
    function choice({label, options, value, onChange}) {
        const name = gemma.uniqueName('choice');
        const group = element('fieldset', {class: 'choice'}, element('legend', {}, label));
        for (const [option, text] of options) {
            const input = element('input', {type: 'radio', name, value: option, id: `${name}-${option}`});
            input.checked = option === value;
            input.addEventListener('change', () => onChange(option));
            group.append(input, element('label', {for: `${name}-${option}`
                         }, text));
        }
        return group;
    }

    // A drop-down list; options are [value, text].
    function list({label, options, onChange}) {
        const id = gemma.uniqueName('list');
        const select = element('select', {id});
        const fill = (entries) =>
            select.replaceChildren(...entries.map(([value, text]) => element('option', {value: String(value)}, text)));
        fill(options);
        select.addEventListener('change', () => onChange(select.value));
        return {
            element: element(
                'div', {class: 'list'},
                element(
                    'label',
                    {for: id
                    },
                    label),
                select),
            set: (value) => {
                select.value = String(value);
            },
            fill,
        };
    }

    // The layer and the head that a panel looks at, to be chosen there as well as elsewhere on the page.
    function chooser({layers, heads = 0}) {
        const bar = element('div', {class: 'chooser'});
        const add = (label, key, options) => {
            const part = list({label, options, onChange: (value) => gemma.select({[key]: Number(value)})});
            bar.append(part.element);
            return part;
        };
        const layer = add('layer', 'layer', layers.map((i) => [i, String(i)]));
        const head = heads > 0 && add('head', 'head', Array.from({length: heads}, (_, h) => [h, String(h)]));
        return {
            element: bar,
            update(selection) {
                layer.set(nearestLayer(layers, selection.layer));
                if (head) head.set(Math.min(selection.head, heads - 1));
            },
        };
    }

    // The numbers of a picture as a table, made when it is opened. rows() gives lists of texts.
    function table({summary, head, rows}) {
        const body = element('tbody', {});
        const heading = element('tr', {});
        const details = element(
            'details', {class: 'numbers'}, element('summary', {}, summary),
            element(
                'div', {class: 'table-scroll', tabindex: '0', role: 'region', 'aria-label': summary},
                element('table', {}, element('thead', {}, heading), body)));
        const update = () => {
            if (!details.open) return;
            heading.replaceChildren(...head().map((text) => element('th', {scope: 'col'}, text)));
            body.replaceChildren(...rows().map(
                (cells) => element(
                    'tr', {},
                    ...cells.map((cell, i) => element(i === 0 ? 'th' : 'td', i === 0 ? {scope: 'row'} : {}, cell)))));
        };
        details.addEventListener('toggle', update);
        return {element: details, update};
    }

    // A bar of a share (0 to 1) of its place.
    function bar(share, kind = '') {
        const inner = element('span', {class: `bar-fill ${kind}`});
        inner.style.width = `${(100 * Math.max(0, Math.min(1, share))).toFixed(2)}%`;
        return element('span', {class: 'bar', 'aria-hidden': 'true'}, inner);
    }

    // One of many parts is in the tab order; arrow keys go from part to part. `step(index, key)` gives the next index.
    function arrows(container, parts, step, onMove) {
        container.addEventListener('keydown', (event) => {
            const here = parts().indexOf(event.target);
            const next = here < 0 ? undefined : step(here, event.key);
            if (next === undefined) return;
            event.preventDefault();
            event.stopPropagation();
            const all = parts();
            if (next < 0 || next >= all.length || next === here) return;
            focusable(all, next);
            all[next].focus();
            if (onMove) onMove(next);
        });
    }
    function focusable(parts, index) {
        parts.forEach((part, i) => {
            part.tabIndex = i === index ? 0 : -1;
        });
    }

    // Arrow keys in a grid of `columns` columns, read row by row.
    const gridStep = (columns) => (here, key) => ({
        ArrowLeft: here % columns() > 0 ? here - 1 : here,
        ArrowRight: here % columns() < columns() - 1 ? here + 1 : here,
        ArrowUp: here - columns(),
        ArrowDown: here + columns(),
    })[key];

    // The tokens of the run as a text; each is a button. paint(token, button) is asked at each repaint.
    function tokenText({label, tokens, onHover = () => {}, onChoose = () => {}, onMove = onChoose}) {
        const buttons = tokens.map(
            (token) => element(
                'button', {type: 'button', class: 'token', tabindex: '-1', 'data-token': String(token)},
                element('span', {class: 'piece'}, pieceOf(token)), element('span', {class: 'share'})));
        const text = element('div', {class: 'token-text', role: 'group', 'aria-label': label}, ...buttons);
        const tokenAt = (event) => {
            const button = event.target.closest('.token');
            return button ? Number(button.dataset.token) : null;
        };
        text.addEventListener('pointerover', (event) => {
            if (tokenAt(event) !== null) onHover(tokenAt(event));
        });
        text.addEventListener('pointerleave', () => onHover(null));
        text.addEventListener('click', (event) => {
            if (tokenAt(event) !== null) onChoose(tokenAt(event));
        });
        arrows(
            text, () => buttons,
            (here, key) => ({ArrowLeft: here - 1, ArrowRight: here + 1, Home: 0, End: buttons.length - 1})[key],
            (next) => onMove(tokens[next]));
        return {
            element: text,
            // Brings a token into sight, where the text is longer than its place.
            reveal(token) {
                const button = buttons[tokens.indexOf(token)];
                if (!button || text.matches(':hover')) return;
                const top = button.offsetTop;
                if (top < text.scrollTop || top + button.offsetHeight > text.scrollTop + text.clientHeight) {
                    text.scrollTop = top - text.clientHeight / 2;
                }
            },
            // shares: token -> share or null for "not part of it".
            paint({share, current, kind = () => ''}) {
                tokens.forEach((token, i) => {
                    const button = buttons[i], value = share(token);
                    button.className = `token ${kind(token)}` + (token === current ? ' current' : '');
                    button.lastChild.textContent = value !== null && value >= 0.01 ? gemma.percent(value) : '';
                    button.style.backgroundColor = button.style.color = '';
                    if (value !== null && value >= 0.01) shade(button, brightness(value));
                    button.setAttribute('aria-pressed', String(token === current));
                    button.setAttribute(
                        'aria-label',
                        `token ${token}, ${pieceOf(token)}` + (value === null ? '' : `, ${percent(value)}`));
                });
                focusable(buttons, Math.max(0, tokens.indexOf(current)));
            },
        };
    }

    return {
        named,
        layersWith,
        nearestLayer,
        nearestRow,
        tokensOf,
        row,
        dot,
        length,
        largest,
        likeliest,
        percent,
        small,
        brightness,
        pieceOf,
        pieceOfId,
        visible,
        shade,
        slider,
        choice,
        list,
        chooser,
        table,
        bar,
        arrows,
        focusable,
        gridStep,
        tokenText
    };
})();
