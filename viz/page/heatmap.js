'use strict';
// Numbers in rows and columns as colours.
//
//   const map = gemma.heatMap(element, {
//       rows, columns,                    how many
//       value: (row, column) => number,   NaN where there is none
//       rowLabel: (row) => text,          none: the index
//       columnLabel: (column) => text,    none: the index, at some places
//       scale: 'linear' | 'arcsinh' | 'log',
//       title,
//       onHover: (row, column) => …,      called without arguments when the pointer leaves
//       onClick: (row, column) => …,
//       readout: (row, column) => text,   what the line below says of a cell; none: the labels and the number
//       maximum,                          of the colour scale; none: the largest magnitude that is there
//       ground: 'diverging' | 'sequential',   none: diverging where a number is below zero
//       square: true,                     cells as high as wide
//       plain: true,                      the picture alone: no line, legend, zoom and table
//       markedRow: () => row or null,     whose label is set off
//       veiled: (row, column) => bool,    cells without a colour of their own, although they have a number
//   });
//   map.redraw({columns: 7, …})           changes options, or none, and draws again
//
// Colours are symmetric: zero is in the middle, the largest magnitude at the end. The canvas has one pixel a cell; the
// browser enlarges it. The pointer, or arrow keys once the picture has the focus, read single cells.
{
    const largestCell = 26, smallestLabel = 13, pictureHeight = 420, rowHeight = 19;
    const zooms = [1, 2, 4, 8, 16];
    const arcsinhStrength = 100, logDecades = 6;
    const tableRows = 40, tableColumns = 16;

    // Where a share of the maximum, −1 … 1, goes on the colour scale.
    const scales = {
        linear: (share) => share,
        arcsinh: (share) => Math.asinh(arcsinhStrength * share) / Math.asinh(arcsinhStrength),
        log: (share) => Math.sign(share) * Math.max(0, 1 + Math.log10(Math.abs(share) || 1e-30) / logDecades),
    };

    // 511 colours from −1 to 1 as pixels.
    function palette(ground) {
        const pixels = new Uint32Array(511), bytes = new Uint8Array(pixels.buffer);
        for (let i = 0; i < 511; ++i) {
            const v = i / 255 - 1;
            bytes.set([...(ground === 'diverging' ? gemma.colours.diverging(v) : gemma.colours.sequential(v)), 255],
                      4 * i);
        }
        return pixels;
    }

    const clamp = (x, low, high) => Math.min(Math.max(x, low), high);

    class HeatMap {
        constructor(element, options) {
            this.options = {scale: 'linear', ...options};
            this.zoom = 1;
            this.cursor = null;
            this.build(element);
            this.redraw();
            new ResizeObserver(() => this.layOut()).observe(this.scroll);
        }

        build(element) {
            const make = gemma.element;
            this.canvas = make('canvas', {tabindex: this.options.plain ? null : 0});
            this.frame = make('div', {class: 'heat-cursor', hidden: true});
            this.cells = make('div', {class: 'heat-cells'}, this.canvas, this.frame);
            this.rowLabels = make('div', {class: 'heat-rows', 'aria-hidden': 'true'});
            this.columnLabels = make('div', {class: 'heat-columns', 'aria-hidden': 'true'});
            this.scroll = make('div', {class: 'heat-scroll'},
                               make('div', {class: 'heat-grid'}, this.columnLabels, this.rowLabels, this.cells));
            this.figure = make('figure', {class: 'heat-map'}, this.scroll);
            if (!this.options.plain) this.buildFoot();
            element.append(this.figure);
            this.listen();
        }

        buildFoot() {
            const make = gemma.element;
            const button = (text, label, step) => make('button', {
                type: 'button', 'aria-label': label, title: label, onclick: () => this.setZoom(step),
            }, text);
            this.line = make('output', {class: 'heat-line'});
            this.legend = make('canvas', {width: 511, height: 1, 'aria-hidden': 'true'});
            this.low = make('span');
            this.high = make('span');
            this.smaller = button('−', 'Zoom out', -1);
            this.larger = button('+', 'Zoom in', 1);
            this.table = make('details', {class: 'numbers', ontoggle: () => this.fillTable()},
                              make('summary', {}, 'These numbers as a table'), make('div', {class: 'table-scroll'}));
            this.figure.append(
                make('div', {class: 'heat-foot'}, this.line,
                     make('span', {class: 'heat-legend'}, this.low, this.legend, this.high),
                     make('span', {class: 'heat-zoom', role: 'group', 'aria-label': 'Zoom'}, this.smaller,
                          this.larger)),
                this.table);
        }

        listen() {
            const {canvas} = this;
            const cellAt = (event) => {
                const box = canvas.getBoundingClientRect(), {rows, columns} = this.options;
                return [clamp(Math.floor((event.clientY - box.top) / box.height * rows), 0, rows - 1),
                        clamp(Math.floor((event.clientX - box.left) / box.width * columns), 0, columns - 1)];
            };
            canvas.addEventListener('pointermove', (event) => this.point(...cellAt(event)));
            canvas.addEventListener('pointerleave', () => this.leave());
            canvas.addEventListener('click', (event) => {
                this.point(...cellAt(event));
                this.options.onClick?.(...this.cursor);
            });
            canvas.addEventListener('keydown', (event) => this.key(event));
            canvas.addEventListener('blur', () => this.leave());
            this.scroll.addEventListener('wheel', (event) => {
                if (!event.ctrlKey || this.options.plain) return;
                event.preventDefault();
                this.setZoom(event.deltaY < 0 ? 1 : -1);
            }, {passive: false});
        }

        key(event) {
            const moves = {ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1]};
            const [row, column] = this.cursor ?? [0, 0], {rows, columns} = this.options;
            if (event.altKey || event.ctrlKey || event.metaKey) return;
            if (event.key in moves) {
                const [down, right] = this.cursor ? moves[event.key] : [0, 0];
                this.point(clamp(row + down, 0, rows - 1), clamp(column + right, 0, columns - 1));
                this.scrollToCursor();
            } else if ((event.key === 'Enter' || event.key === ' ') && this.cursor) {
                this.options.onClick?.(row, column);
            } else {
                return;
            }
            event.preventDefault();
            event.stopPropagation();
        }

        scrollToCursor() {
            const x = this.cursor[1] * this.cellWidth, {scroll} = this, labels = this.rowLabels.offsetWidth;
            if (x < scroll.scrollLeft) scroll.scrollLeft = x;
            if (x + this.cellWidth > scroll.scrollLeft + scroll.clientWidth - labels) {
                scroll.scrollLeft = x + this.cellWidth - scroll.clientWidth + labels;
            }
        }

        point(row, column) {
            this.cursor = [row, column];
            this.placeFrame();
            if (this.line) this.line.textContent = this.readout(row, column);
            this.options.onHover?.(row, column);
        }

        leave() {
            if (!this.cursor) return;
            this.cursor = null;
            this.frame.hidden = true;
            if (this.line) this.line.textContent = this.hint();
            this.options.onHover?.();
        }

        hint() {
            const {rows, columns} = this.options;
            return `${rows} × ${columns} numbers; point at one to read it`;
        }

        readout(row, column) {
            const {readout, rowLabel, columnLabel, value} = this.options;
            if (readout) return readout(row, column);
            const name = (label, index) => label ? `${index} ${label(index)}` : `${index}`;
            return `row ${name(rowLabel, row)}, column ${name(columnLabel, column)}: ` +
                gemma.exact(value(row, column));
        }

        redraw(change) {
            Object.assign(this.options, change);
            const {rows, columns, title} = this.options;
            this.cursor = null;
            this.frame.hidden = true;
            if (rows === 0 || columns === 0) return;
            this.paint();
            gemma.describe(this.canvas, `${title ? `${title}: ` : ''}${rows} × ${columns} numbers from ` +
                `${gemma.number(this.least)} to ${gemma.number(this.most)}`);
            if (this.line) {
                this.line.textContent = this.hint();
                this.paintLegend();
                if (this.table.open) this.fillTable();
            }
            this.layOut();
        }

        // One pixel a cell.
        paint() {
            const {rows, columns, value, veiled, scale, maximum} = this.options;
            const numbers = new Float32Array(rows * columns);
            let least = Infinity, most = -Infinity;
            for (let row = 0, i = 0; row < rows; ++row) {
                for (let column = 0; column < columns; ++column, ++i) {
                    const x = numbers[i] = veiled?.(row, column) ? NaN : value(row, column);
                    if (x < least && x > -Infinity) least = x;
                    if (x > most && x < Infinity) most = x;
                }
            }
            [this.least, this.most] = least > most ? [0, 0] : [least, most];
            this.maximum = maximum ?? (Math.max(Math.abs(this.least), Math.abs(this.most)) || 1);
            this.ground = this.options.ground ?? (this.least < 0 ? 'diverging' : 'sequential');
            this.colours = palette(this.ground);
            this.figure.classList.toggle('veiled', Boolean(veiled));

            const place = scales[scale], {colours} = this;
            const image = new ImageData(columns, rows), pixels = new Uint32Array(image.data.buffer);
            for (let i = 0; i < numbers.length; ++i) {
                const x = numbers[i];
                if (Number.isNaN(x)) continue;  // stays transparent
                pixels[i] = colours[Math.round(255 + 255 * clamp(place(clamp(x / this.maximum, -1, 1)), -1, 1))];
            }
            this.canvas.width = columns;
            this.canvas.height = rows;
            this.canvas.getContext('2d').putImageData(image, 0, 0);
        }

        paintLegend() {
            const image = new ImageData(511, 1), pixels = new Uint32Array(image.data.buffer);
            const signed = this.ground === 'diverging', place = scales[this.options.scale];
            for (let i = 0; i < 511; ++i) {
                const share = signed ? i / 255 - 1 : i / 510;
                pixels[i] = this.colours[Math.round(255 + 255 * clamp(place(share), -1, 1))];
            }
            this.legend.getContext('2d').putImageData(image, 0, 0);
            this.low.textContent = signed ? gemma.number(-this.maximum, 3) : '0';
            this.high.textContent = gemma.number(this.maximum, 3);
        }

        setZoom(step) {
            const {scroll} = this, next = zooms[clamp(zooms.indexOf(this.zoom) + step, 0, zooms.length - 1)];
            const middle = (scroll.scrollLeft + scroll.clientWidth / 2) / this.zoom;
            this.zoom = next;
            this.layOut();
            scroll.scrollLeft = middle * next - scroll.clientWidth / 2;
        }

        // Sizes follow the place that there is.
        layOut() {
            const {rows, columns, rowLabel, square} = this.options;
            if (rows === 0 || columns === 0 || this.scroll.clientWidth === 0) return;
            let labels = 0;
            if (!this.options.plain || rowLabel) {
                labels = rowLabel ? clamp(this.scroll.clientWidth / 5, 56, 104) : 34;
            }
            const available = Math.max(this.scroll.clientWidth - labels - 2, 40);
            const fit = available / columns;
            const width = Math.min(fit, largestCell);
            this.cellWidth = width * this.zoom;
            this.cellHeight = (square ? width : clamp(pictureHeight / rows, 0.5, rowHeight)) * this.zoom;
            if (!square && columns === 1) this.cellWidth = Math.min(available, 120) * this.zoom;
            Object.assign(this.canvas.style, {
                width: `${this.cellWidth * columns}px`,
                height: `${this.cellHeight * rows}px`,
                imageRendering: this.cellWidth < 1 || this.cellHeight < 1 ? 'auto' : 'pixelated',
            });
            this.scroll.style.setProperty('--labels', `${labels}px`);
            this.layOutLabels(labels > 0);
            this.placeFrame();
            if (this.smaller) {
                this.smaller.disabled = this.zoom === zooms[0];
                this.larger.disabled = this.zoom === zooms[zooms.length - 1];
            }
        }

        layOutLabels(shown) {
            const {rows, columns, rowLabel, columnLabel, plain, markedRow} = this.options;
            const label = (side, place, text, marked) => gemma.element('span', {
                style: `${side}:${place}px`, title: text, class: marked ? 'marked' : null,
            }, text);
            const everyRow = Math.ceil(smallestLabel / this.cellHeight), texts = [];
            const marked = markedRow?.() ?? null;
            for (let row = 0; shown && row < rows; row += everyRow) {
                texts.push(label('top', (row + 0.5) * this.cellHeight, rowLabel ? rowLabel(row) : `${row}`,
                                 marked !== null && marked >= row && marked < row + everyRow));
            }
            this.rowLabels.replaceChildren(...texts);

            const tilted = Boolean(columnLabel);
            const room = tilted ? smallestLabel + 1 : 46;
            const steps = [1, 2, 5, 10, 16, 20, 32, 50, 64, 100, 128, 200, 256, 500, 512, 1000, 1024, 2000, 2048, 4096];
            const everyColumn = tilted ? Math.ceil(room / this.cellWidth)
                                       : steps.find((step) => step * this.cellWidth >= room) ?? columns;
            const above = [];
            for (let column = 0; (tilted || !plain) && column < columns; column += everyColumn) {
                const cut = !tilted && column > 0 && (columns - column - 0.5) * this.cellWidth < 9;
                if (cut) continue;  // half of it would be outside
                above.push(label('left', (column + 0.5) * this.cellWidth,
                                 columnLabel ? columnLabel(column) : `${column}`));
            }
            this.columnLabels.classList.toggle('tilted', tilted);
            const longest = Math.max(0, ...above.map((span) => span.textContent.length));
            this.columnLabels.style.height = tilted ? `${clamp(16 + 6 * longest, 22, 74)}px` : '';
            this.columnLabels.replaceChildren(...above);
        }

        placeFrame() {
            if (!this.cursor) return;
            const [row, column] = this.cursor;
            this.frame.hidden = false;
            Object.assign(this.frame.style, {
                left: `${column * this.cellWidth}px`, top: `${row * this.cellHeight}px`,
                width: `${Math.max(this.cellWidth, 3)}px`, height: `${Math.max(this.cellHeight, 3)}px`,
            });
        }

        // The first numbers, for those who read rather than look.
        fillTable() {
            if (!this.table.open) return;
            const {rows, columns, rowLabel, columnLabel, value, title} = this.options, make = gemma.element;
            const count = (n) => [...Array(n).keys()];
            const across = count(Math.min(columns, tableColumns)), down = count(Math.min(rows, tableRows));
            const part = rows > tableRows || columns > tableColumns
                ? `the first ${down.length} of ${rows} rows, ${across.length} of ${columns} columns` : '';
            this.table.lastChild.replaceChildren(make('table', {},
                make('caption', {}, [title, part].filter(Boolean).join(': ')),
                make('thead', {}, make('tr', {}, make('td'), across.map((column) => make(
                    'th', {scope: 'col'}, columnLabel ? columnLabel(column) : `${column}`)))),
                make('tbody', {}, down.map((row) => make('tr', {},
                    make('th', {scope: 'row'}, rowLabel ? rowLabel(row) : `${row}`),
                    across.map((column) => make('td', {}, gemma.number(value(row, column)))))))));
        }
    }

    gemma.heatMap = (element, options) => {
        const map = new HeatMap(element, options);
        return {redraw: (change) => map.redraw(change)};
    };
}
