'use strict';
// What the page is about: the trace, and what of it is selected.
//
//   gemma.trace    null without a trace; else
//     .header {prompt, model, precision, producer}   .config null, or the model's config.json
//     .tokens [id]   .pieces [text]   .promptTokens   how many tokens were prompt; the rest was generated
//     .first  index of the first token whose rows were kept; .last is one behind the last
//     .layers how many layers the names tell of
//     .names in forward order   .has(name)   .shape(name)
//     .tensor(name) -> {name, shape, data: Float32Array}, decoded when first asked for; .arrived(name) it can be
//     .rows(name)   how many rows, one a token, a tensor has
//     .rowOf(name, token) -> row or null       .tokenOf(name, row) -> token index
//   gemma.other    the same of a second trace of the same tokens, or null
//   gemma.lens     null, or {first, note, layers: [for each layer: null or [for each token from `first` on:
//                  [{token, piece, probability}, five of them, likeliest first]]]}
//   gemma.piece(id) -> text, or null where the page does not know it
//   gemma.label(token) -> how the token at an index is called: its text, or its index
//
//   gemma.selection {layer, head, token, step}   step is a tensor's name, token an index
//   gemma.select({...}) merges and tells those who called gemma.onSelect(f)
{
    const content = JSON.parse(document.getElementById('content').textContent);

    // Base64 to floats: the browser's own decoder where it has one. Both sides are little endian.
    function decode(base64) {
        if (Uint8Array.fromBase64) return new Float32Array(Uint8Array.fromBase64(base64).buffer);
        const bytes = atob(base64);
        const buffer = new Uint8Array(bytes.length);
        for (let i = 0; i < bytes.length; ++i) buffer[i] = bytes.charCodeAt(i);
        return new Float32Array(buffer.buffer);
    }

    const layerOf = (name) => {
        const found = /^model\.layers\.(\d+)(\.|$)/.exec(name);
        return found ? Number(found[1]) : null;
    };
    gemma.layerOf = layerOf;

    const isPerHead = (name) => /\.(scores|probs)$/.test(name);

    class Trace {
        #shapes = new Map();
        #elements = new Map();
        #decoded = new Map();

        constructor(stored, config, place) {
            this.header = stored.header;
            this.config = config;
            this.tokens = stored.tokens;
            this.pieces = stored.pieces;
            this.promptTokens = stored.promptTokens;
            this.first = stored.first;
            this.last = stored.last;
            this.names = stored.tensors.map(([name]) => name);
            stored.tensors.forEach(([name, shape], i) => {
                this.#shapes.set(name, shape);
                this.#elements.set(name, `numbers-${place}-${i}`);
            });
            this.layers = 1 + Math.max(-1, ...this.names.map((name) => layerOf(name) ?? -1));
        }

        has(name) { return this.#shapes.has(name); }

        // Whether the browser has read so far: a long page is shown before it has come in whole.
        arrived(name) {
            const element = document.getElementById(this.#elements.get(name));
            return element !== null && (element.nextSibling !== null || document.readyState !== 'loading');
        }

        shape(name) { return this.#shapes.get(name); }

        tensor(name) {
            if (!this.has(name)) throw new Error(`The trace has no tensor ${name}.`);
            let data = this.#decoded.get(name);
            if (data) {
                this.#decoded.delete(name);  // and in again, as the latest used
            } else {
                data = decode(document.getElementById(this.#elements.get(name)).textContent);
                this.#forget(data.byteLength);
            }
            this.#decoded.set(name, data);
            return {name, shape: this.shape(name), data};
        }

        // Which axis counts the tokens: of [H, T, S] the second.
        tokenAxis(name) { return isPerHead(name) && this.shape(name).length === 3 ? 1 : 0; }

        rows(name) { return this.shape(name)[this.tokenAxis(name)]; }

        // A tensor with fewer rows than tokens kept (logits of generation) has those of the last tokens. In a record
        // that is of no text, rows are counted from 0.
        tokenOf(name, row) { return this.tokens.length === 0 ? row : this.last - this.rows(name) + row; }

        rowOf(name, token) {
            const row = token - this.tokenOf(name, 0);
            return row >= 0 && row < this.rows(name) ? row : null;
        }

        // Keeps the memory of decoded numbers within bounds: those unused for longest go.
        #forget(coming) {
            const bound = 192 * 2 ** 20;
            let bytes = coming;
            for (const data of this.#decoded.values()) bytes += data.byteLength;
            for (const [name, data] of this.#decoded) {
                if (bytes <= bound) return;
                this.#decoded.delete(name);
                bytes -= data.byteLength;
            }
        }
    }

    gemma.trace = content.trace ? new Trace(content.trace, content.config, 0) : null;
    gemma.other = content.other ? new Trace(content.other, content.config, 1) : null;

    gemma.piece = (id) => content.vocabulary[id] ?? null;

    gemma.label = (token) => gemma.trace?.pieces[token] || `${token}`;

    gemma.lens = content.lens && {
        first: content.lens.first,
        note: content.lens.note,
        layers: content.lens.layers.map((layer) => layer && layer.map((likeliest) => likeliest.map(
            ([token, probability]) => ({token, piece: gemma.piece(token), probability})))),
    };

    // At first the last token of the prompt: what comes next is decided there.
    function beginning(trace) {
        if (!trace) return {layer: 0, head: 0, token: 0, step: null};
        const token = Math.min(Math.max(trace.promptTokens - 1, trace.first), Math.max(trace.last - 1, 0));
        return {layer: layerOf(trace.names.find((name) => layerOf(name) !== null) ?? '') ?? 0, head: 0, token,
                step: trace.names[0] ?? null};
    }

    gemma.selection = beginning(gemma.trace);

    const listeners = [];
    gemma.onSelect = (listener) => { listeners.push(listener); };
    gemma.notify = () => { for (const listener of listeners) listener(gemma.selection); };

    // A step of a layer and the layer go together: choosing one moves the other.
    function settle(next, change) {
        const stepLayer = next.step === null ? null : layerOf(next.step);
        if ('step' in change) {
            if (stepLayer !== null) next.layer = stepLayer;
        } else if ('layer' in change && stepLayer !== null && stepLayer !== next.layer) {
            const there = next.step.replace(/^model\.layers\.\d+/, `model.layers.${next.layer}`);
            if (gemma.trace.has(there)) next.step = there;
        }
    }

    gemma.select = (change) => {
        const next = {...gemma.selection, ...change};
        settle(next, change);
        if (Object.keys(next).every((key) => next[key] === gemma.selection[key])) return;
        gemma.selection = next;
        gemma.notify();
    };
}
