'use strict';
// The model as a flow from tokens to logits: a list of all steps, and the current one opened.
{
    const mostColumns = 4096;  // of one picture; wider tensors are shown in parts
    const numbersShown = 8;
    const trace = gemma.trace, make = gemma.element;

    const layerNumbers = trace ? [...new Set(trace.names.map(gemma.layerOf).filter((i) => i !== null))] : [];
    const anyStep = trace?.names.some((name) => gemma.step(name).group !== null);
    const shapeText = (shape) => `[${shape.join(', ')}]`;

    // --- Moving ------------------------------------------------------------------------------------------------------

    gemma.stepBy = (distance) => {
        const place = trace.names.indexOf(gemma.selection.step) + distance;
        if (place >= 0 && place < trace.names.length) gemma.select({step: trace.names[place]});
    };

    gemma.layerBy = (distance) => {
        const place = layerNumbers.indexOf(gemma.selection.layer) + distance;
        if (place >= 0 && place < layerNumbers.length) gemma.select({layer: layerNumbers[place]});
    };

    // --- The list of steps -------------------------------------------------------------------------------------------

    function stepButton(name) {
        const step = gemma.step(name), small = /\.(mean_square|normalized)$/.test(name) && step.formula;
        const part = step.layer !== null && step.formula && !step.stream ? name.split('.').at(-1) : null;
        return make('li', {class: [step.stream && 'stream', small && 'small'].filter(Boolean).join(' ') || null},
                    make('button', {type: 'button', 'data-step': name, title: name,
                                    onclick: () => gemma.select({step: name})},
                         make('span', {class: 'step-title'}, step.title), part ? make('code', {}, part) : null));
    }

    // Steps in a row that belong together.
    function groups(names) {
        const list = [];
        for (const name of names) {
            const group = gemma.step(name).group ?? (anyStep ? 'Other tensors' : 'Tensors');
            if (list.length === 0 || list.at(-1).group !== group) list.push({group, names: []});
            list.at(-1).names.push(name);
        }
        return list.map(({group, names: inside}) => make(
            'li', {class: `group${group === 'Sum' ? ' sum' : ''}`},
            group === 'Sum' ? null : make('span', {class: 'group-title'}, group),
            make('ol', {}, inside.map(stepButton))));
    }

    class List {
        constructor() {
            const firstInside = trace.names.findIndex((name) => gemma.layerOf(name) !== null);
            const before = firstInside < 0 ? trace.names : trace.names.slice(0, firstInside);
            const after = trace.names.filter((name, i) => i >= before.length && gemma.layerOf(name) === null);
            this.layer = make('ol', {class: 'layer-steps'});
            this.tabs = layerNumbers.map((i) => make('button', {
                type: 'button', 'data-layer': i, 'aria-label': `Layer ${i}`,
                onclick: () => gemma.select(this.chosen(i)),
            }, `${i}`));
            const layers = make('li', {class: 'layers'},
                                make('span', {class: 'group-title'}, layerNumbers.length === 1 ? 'Layer' : 'Layers'),
                                make('div', {class: 'tabs', role: 'group', 'aria-label': 'Layer'}, this.tabs),
                                this.layer);
            this.nav = make('nav', {'aria-label': 'Steps of the forward pass'},
                            make('ol', {class: 'steps'}, groups(before), layerNumbers.length > 0 ? layers : null,
                                 groups(after)));
            this.element = make('details', {class: 'flow-list', open: matchMedia('(min-width: 60rem)').matches},
                                make('summary', {}, 'All steps'), this.nav);
            this.shown = null;
        }

        // A layer's tab opens the same step in it; from outside the layers, its first step.
        chosen(layer) {
            const step = gemma.selection.step;
            if (gemma.layerOf(step) !== null) return {layer};
            return {layer, step: trace.names.find((name) => gemma.layerOf(name) === layer)};
        }

        update({step, layer}) {
            if (layer !== this.shown) {
                this.shown = layer;
                this.layer.replaceChildren(...groups(trace.names.filter((name) => gemma.layerOf(name) === layer)));
            }
            for (const tab of this.tabs) tab.setAttribute('aria-pressed', Number(tab.dataset.layer) === layer);
            for (const button of this.nav.querySelectorAll('button[data-step]')) {
                if (button.dataset.step !== step) button.removeAttribute('aria-current');
                else if (!button.hasAttribute('aria-current')) this.mark(button);
            }
        }

        mark(button) {
            button.setAttribute('aria-current', 'step');
            const list = this.nav, box = button.getBoundingClientRect(), frame = list.getBoundingClientRect();
            if (box.top < frame.top || box.bottom > frame.bottom) {
                list.scrollTop += box.top - frame.top - frame.height / 2;
            }
        }
    }

    // --- The current step --------------------------------------------------------------------------------------------

    // Buttons of which one is pressed.
    function choice(label, options, chosen, onChoose) {
        return make('div', {class: 'choose', role: 'group', 'aria-label': label}, make('span', {}, label),
                    options.map(([value, text]) => make('button', {
                        type: 'button', 'aria-pressed': `${value === chosen}`, onclick: () => onChoose(value),
                    }, text)));
    }

    const letters = (axes) => axes ? make('span', {class: 'letters'}, axes.map((letter) => make(
        'abbr', {title: gemma.letters[letter] ?? letter.split('').map((l) => gemma.letters[l]).join(' times ')},
        letter))) : null;

    const fact = (name, ...content) => make('div', {}, make('dt', {}, name), make('dd', {}, ...content));

    function tensorLink(name) {
        return make('span', {class: 'tensor'},
                    make('button', {type: 'button', class: 'link', onclick: () => gemma.select({step: name})},
                         gemma.step(name).title),
                    letters(gemma.axes(name)), make('span', {class: 'shape'}, shapeText(trace.shape(name))));
    }

    // The size of a weight's axes, "Hd" standing for a product; nothing where one is not known.
    function weightShape(axes) {
        const shape = axes.map((axis) => axis.split('').reduce((size, letter) => size * gemma.sizes[letter], 1));
        return shape.some(Number.isNaN) ? null : make('span', {class: 'shape'}, shapeText(shape));
    }

    function weightName(name) {
        const [base, index] = name.split('_');
        return make('i', {}, base, index ? make('sub', {}, index) : null);
    }

    function facts(step) {
        const inputs = step.inputs.filter((name) => trace.has(name));
        return [
            step.formula ? fact('Formula', step.formula()) : null,
            inputs.length + step.weights.length > 0 ? fact('From', inputs.map(tensorLink), step.weights.map(
                ([name, axes]) => make('span', {class: 'tensor'}, weightName(name), letters(axes), weightShape(axes))))
                : null,
            fact('Shape', make('span', {class: 'tensor'}, letters(step.axes),
                               make('span', {class: 'shape'}, shapeText(trace.shape(step.name))))),
            step.code ? fact('Code', make('code', {}, `${step.code[1]}()`), ' in ', make('code', {}, step.code[0]))
                : null,
        ];
    }

    class Step {
        constructor() {
            this.scale = 'linear';
            this.slice = 0;
            this.part = 0;
            this.shown = null;
            this.build();
        }

        build() {
            this.place = make('p', {class: 'step-place'});
            this.title = make('h3');
            this.name = make('code', {class: 'step-name'});
            this.back = make('button', {type: 'button', 'aria-label': 'Previous step', title: 'Previous step (←)',
                                        onclick: () => gemma.stepBy(-1)}, '←');
            this.count = make('span', {class: 'count'});
            this.on = make('button', {type: 'button', 'aria-label': 'Next step', title: 'Next step (→)',
                                      onclick: () => gemma.stepBy(1)}, '→');
            this.about = make('p', {class: 'about'});
            this.facts = make('dl', {class: 'facts'});
            this.controls = make('div', {class: 'controls'});
            this.picture = make('div', {class: 'picture'});
            this.waiting = make('p', {class: 'note', hidden: true}, 'The numbers are being read …');
            this.numbers = make('div', {class: 'numbers-of-token'});
            this.pick = make('select', {onchange: () => gemma.select({step: this.pick.value})},
                             trace.names.map((name) => make('option', {value: name}, name)));
            this.element = make(
                'article', {class: 'step', 'aria-labelledby': 'step-title'},
                make('header', {class: 'step-head'},
                     make('div', {'aria-live': 'polite'}, this.place, this.title, this.name),
                     make('div', {class: 'stepper', role: 'group', 'aria-label': 'Step'}, this.back, this.count,
                          this.on)),
                this.about, this.facts, this.controls, this.picture, this.waiting, this.numbers,
                make('label', {class: 'pick'}, 'Any tensor by its name', this.pick));
            this.title.id = 'step-title';
        }

        update(selection) {
            const {step: name, head} = selection;
            if (name !== this.shown) this.open(name);
            const slice = this.view.sliceName === 'head' ? Math.min(head, this.view.slices - 1) : this.slice;
            this.slice = Math.min(slice, this.view.slices - 1);
            this.draw();
        }

        open(name) {
            const step = gemma.step(name), place = trace.names.indexOf(name);
            this.shown = name;
            this.step = step;
            this.view = gemma.tensorView(name);
            this.part = 0;
            this.place.textContent = [step.layer === null ? null : `Layer ${step.layer}`,
                                      step.group].filter(Boolean).join(' · ') || 'Tensor';
            this.title.textContent = step.title;
            this.name.textContent = name;
            this.name.hidden = step.title === name;
            this.count.textContent = `${place + 1} / ${trace.names.length}`;
            this.back.disabled = place === 0;
            this.on.disabled = place === trace.names.length - 1;
            this.about.textContent = step.about ?? '';
            this.about.hidden = !step.about;
            this.facts.replaceChildren(...facts(step).filter(Boolean));
            this.pick.value = name;
        }

        draw() {
            const arrived = trace.arrived(this.shown);
            this.waiting.hidden = arrived;
            this.controls.hidden = this.picture.hidden = this.numbers.hidden = !arrived;
            if (!arrived) {
                clearTimeout(this.timer);
                this.timer = setTimeout(() => this.draw(), 50);
                return;
            }
            this.drawControls();
            this.drawPicture();
            this.drawNumbers();
        }

        drawControls() {
            const {view} = this, controls = [];
            const again = (change) => { Object.assign(this, change); this.draw(); };
            if (view.slices > 1 && view.slices <= 32) {
                const choose = (slice) => view.sliceName === 'head' ? gemma.select({head: slice}) : again({slice});
                controls.push(choice(view.sliceName, [...Array(view.slices).keys()].map((i) => [i, `${i}`]),
                                     this.slice, choose));
            } else if (view.slices > 1) {
                controls.push(make('label', {class: 'choose'}, make('span', {}, view.sliceName), make('input', {
                    type: 'number', min: 0, max: view.slices - 1, value: this.slice,
                    onchange: (event) => again({slice: Math.min(Math.max(Number(event.target.value), 0),
                                                                view.slices - 1)}),
                })));
            }
            controls.push(choice('scale', ['linear', 'arcsinh', 'log'].map((scale) => [scale, scale]), this.scale,
                                 (scale) => again({scale})));
            if (view.columns > mostColumns) {
                const parts = [...Array(Math.ceil(view.columns / mostColumns)).keys()];
                controls.push(make('label', {class: 'choose'}, make('span', {}, 'columns'), make(
                    'select', {onchange: (event) => again({part: Number(event.target.value)})},
                    parts.map((part) => make('option', {value: part, selected: part === this.part},
                                             `${part * mostColumns} to ${
                                                 Math.min((part + 1) * mostColumns, view.columns) - 1}`)))));
            }
            // The pressed button keeps the focus: it is another element after this.
            const focused = this.controls.contains(document.activeElement)
                ? [...this.controls.querySelectorAll('button, select, input')].indexOf(document.activeElement) : -1;
            this.controls.replaceChildren(...controls);
            if (focused >= 0) this.controls.querySelectorAll('button, select, input')[focused]?.focus();
        }

        drawPicture() {
            const {view, slice, step} = this, {data} = trace.tensor(this.shown);
            const first = this.part * mostColumns, columns = Math.min(view.columns - first, mostColumns);
            const value = (row, column) => data[view.place(slice, row, first + column)];
            const ofTokens = view.tokenOf(0) !== null;
            const rowLabel = ofTokens ? (row) => gemma.label(view.tokenOf(row)) : undefined;
            const columnText = (column) => {
                if (view.square && ofTokens) return gemma.label(column);
                return step.letters?.at(-1) === 'V' ? gemma.piece(first + column) : null;
            };
            const later = view.square && ofTokens ? (row, column) => column > view.tokenOf(row) : undefined;
            const options = {
                rows: view.rows, columns, value, rowLabel, scale: this.scale, square: view.square,
                columnLabel: view.square && ofTokens && columns <= 80 ? gemma.label : undefined,
                title: `${step.title}${view.slices > 1 ? `, ${view.sliceName} ${slice}` : ''}`,
                ground: step.part === 'self_attn.probs' ? 'sequential' : undefined,
                maximum: step.part === 'self_attn.probs' ? 1 : undefined,
                markedRow: () => view.rowOf(gemma.selection.token),
                readout: (row, column) => {
                    const texts = [rowLabel?.(row), columnText(column)].filter(Boolean).join(' → ');
                    return `${shapeText(view.index(slice, row, first + column))}  ${texts}  ${
                        gemma.exact(value(row, column))}${later?.(row, column) ? '  (a later token: masked)' : ''}`;
                },
                veiled: step.part === 'self_attn.scores' ? later : undefined,
                onClick: ofTokens ? (row) => gemma.select({token: view.tokenOf(row)}) : undefined,
            };
            if (this.map) this.map.redraw(options);
            else {
                this.map = gemma.heatMap(this.picture, options);
                performance.mark('first picture');  // how long a page takes to open: the browser's tools show it
            }
        }

        // The selected token's first numbers, one row a head, and how long its vector is.
        drawNumbers() {
            const {view} = this, {data} = trace.tensor(this.shown), row = view.rowOf(gemma.selection.token);
            if (row === null) {
                this.numbers.replaceChildren();
                return;
            }
            const count = (n) => [...Array(n).keys()], columns = count(Math.min(view.columns, numbersShown));
            const heads = view.slices > 1 && view.sliceName === 'head' ? count(view.slices) : [this.slice];
            const length = (slice) => Math.sqrt(count(view.columns).reduce(
                (sum, column) => sum + data[view.place(slice, row, column)] ** 2, 0));
            const token = view.tokenOf(row);
            const more = view.columns > numbersShown;
            this.numbers.replaceChildren(make('div', {class: 'table-scroll', tabindex: 0, role: 'region',
                                                      'aria-label': 'Numbers of the selected token'}, make('table', {},
                make('caption', {}, token === null ? `Row ${row}` : ['Token ', make('b', {}, gemma.label(token)),
                     ` at ${token}`], more ? `: the first of its ${view.columns} numbers` : ''),
                make('thead', {}, make('tr', {}, make('td'),
                                       columns.map((column) => make('th', {scope: 'col'}, `${column}`)),
                                       more ? make('th', {scope: 'col'}, '…') : null,
                                       view.columns > 1 ? make('th', {scope: 'col'}, 'length') : null)),
                make('tbody', {}, heads.map((slice) => make(
                    'tr', {class: view.slices > 1 && slice === this.slice ? 'marked' : null},
                    make('th', {scope: 'row'}, view.slices > 1 ? `${view.sliceName} ${slice}` : ''),
                    columns.map((column) => make('td', {}, gemma.number(data[view.place(slice, row, column)]))),
                    more ? make('td', {}, '…') : null,
                    view.columns > 1 ? make('td', {}, gemma.number(length(slice))) : null))))));
        }
    }

    // --- Both --------------------------------------------------------------------------------------------------------

    gemma.mountFlow = (section) => {
        const list = new List(), step = new Step();
        section.append(
            make('h2', {id: 'flow-title'}, anyStep ? 'From tokens to logits' : 'Tensors'),
            make('p', {class: 'about'}, anyStep ? 'The steps of the forward pass in their order. ' : 'All that was recorded. ',
                 make('kbd', {}, '←'), ' and ', make('kbd', {}, '→'), ' go from one to the next.'),
            make('div', {class: 'flow'}, list.element, step.element));
        section.hidden = false;
        const update = (selection) => {
            list.update(selection);
            step.update(selection);
        };
        gemma.onSelect(update);
        update(gemma.selection);
    };
}
