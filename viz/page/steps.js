'use strict';
// The steps of the forward pass: what each is called, says and computes, its formula, its code, its shapes.
//
//   gemma.step(name) -> {name, part, layer, group, title, about, formula: () => element, code: [file, function],
//                        letters, axes, inputs: [name], weights: [[name, axes]], stream: it is the residual stream}
//                       of a tensor's name; for a name that is no step of Gemma the title is the name, and the rest is null
//   gemma.axes(name) -> ['T', 'D'], the letters of its axes, or null
//   gemma.sizes -> {T: 13, D: 192, …}, as far as the trace and the config tell them
//   gemma.letters -> {T: 'tokens', …}
//
// Formulas are MathML, written by the functions that follow.
{
    // --- Formulas ----------------------------------------------------------------------------------------------------

    const v = (name) => `<mi>${name}</mi>`;
    const n = (number) => `<mn>${number}</mn>`;
    const o = (operator) => `<mo>${operator}</mo>`;
    const f = (name) => `<mi>${name}</mi><mo>&#x2061;</mo>`;
    const gap = '<mspace width="0.17em"/>';
    const row = (...parts) => `<mrow>${parts.join('')}</mrow>`;
    const of = (...parts) => row('<mo>(</mo>', ...parts, '<mo>)</mo>');
    const sub = (base, index) => `<msub>${base}<mrow>${index}</mrow></msub>`;
    const sup = (base, power) => `<msup>${base}<mrow>${power}</mrow></msup>`;
    const over = (above, below) => `<mfrac><mrow>${above}</mrow><mrow>${below}</mrow></mfrac>`;
    const root = (...parts) => `<msqrt>${parts.join('')}</msqrt>`;
    const sum = (index) => `<munder><mo>∑</mo><mrow>${index}</mrow></munder>`;
    const transposed = (matrix, index) => `<msubsup>${v(matrix)}${v(index)}${v('⊤')}</msubsup>`;
    const equal = (left, ...right) => row(left, o('='), ...right);
    const is = (...right) => row(v('y'), o('='), ...right);

    const meanSquare = equal(v('m'), over(n(1), v('D')), sum(v('i')), `<msubsup>${v('x')}${v('i')}${n(2)}</msubsup>`);
    const normalized = equal(v('n'), over(v('x'), root(v('m'), o('+'), v('ε'))));
    const scaled = is(v('n'), o('⊙'), of(n(1), o('+'), v('w')));
    const projection = (name) => equal(v(name), v('x'), transposed('W', name));
    const rotation = (name) => {
        const at = (index) => sub(v(name), index), half = row(v('j'), o('+'), v('d'), o('/'), n(2));
        const angle = row(v('m'), sub(v('θ'), v('j')));
        const line = (left, a, sign, b) => `<mtr><mtd>${
            `<msubsup>${v(name)}<mrow>${left}</mrow><mo>′</mo></msubsup>`}</mtd><mtd>${
            o('=')}</mtd><mtd>${row(at(v('j')), gap, f(a), gap, angle, o(sign), at(half), gap, f(b), gap, angle)}</mtd></mtr>`;
        return `<mtable columnalign="right center left">${line(v('j'), 'cos', '−', 'sin')}${
            line(half, 'sin', '+', 'cos')}</mtable>`;
    };

    // --- What the steps are ------------------------------------------------------------------------------------------

    const components = (file) => `gemma/components/${file}.cpp`;
    const normCode = [components('rms_norm'), 'rms_norm'];
    const attentionCode = [components('mqa'), 'attention'];
    const layerCode = ['gemma/model/decoder_layer.cpp', 'decoder_layer'];
    const mlpCode = [components('geglu'), 'feed_forward'];

    // The three parts of a norm. `input` is what it reads.
    const norm = (place, group, input) => [
        {part: `${place}.mean_square`, group, title: 'Mean square', axes: 'T', formula: meanSquare, code: normCode,
         inputs: [input],
         about: 'How large each token’s vector is: the mean of its squared numbers. RMSNorm takes no mean away.'},
        {part: `${place}.normalized`, group, title: 'Normalized', axes: 'T D', formula: normalized, code: normCode,
         inputs: [input, `${place}.mean_square`],
         about: 'Every token’s vector is brought to the same size: its root mean square becomes 1.'},
        {part: place, group, title: 'Norm’s output', axes: 'T D', formula: scaled, code: normCode,
         inputs: [`${place}.normalized`], weights: [['w', 'D']],
         about: 'Each number gets its learned factor. Gemma stores w and multiplies by 1 + w.'},
    ];

    const before = [
        {part: 'model.embed_tokens', group: 'Embedding', title: 'Embedding', axes: 'T D',
         code: [components('embedding'), 'embed'], weights: [['E', 'V D']],
         formula: equal(sub(v('x'), v('t')), sub(v('E'), sub(v('token'), v('t')))),
         about: 'Each token picks its row of a learned table: text becomes numbers.'},
        {part: 'model.embed_scaled', group: 'Embedding', title: 'Embedding, scaled', axes: 'T D', stream: true,
         code: [components('embedding'), 'embed'], inputs: ['model.embed_tokens'],
         formula: equal(v('y'), v('x'), o('·'), root(v('D'))),
         about: 'The rows times √D. This is where the residual stream begins: what each layer reads and adds to.'},
    ];

    const layer = [
        ...norm('input_layernorm', 'Norm before attention', 'x'),
        {part: 'self_attn.q_proj', group: 'Attention', title: 'Queries', axes: 'T H d', code: attentionCode,
         inputs: ['input_layernorm'], weights: [['W_q', 'Hd D']], formula: projection('q'),
         about: 'What each token looks for, for every head.'},
        {part: 'self_attn.k_proj', group: 'Attention', title: 'Keys', axes: 'T K d', code: attentionCode,
         inputs: ['input_layernorm'], weights: [['W_k', 'Kd D']], formula: projection('k'),
         about: 'What each token can be found by. Query heads share the key heads: with one of them it is ' +
             'multi-query attention.'},
        {part: 'self_attn.v_proj', group: 'Attention', title: 'Values', axes: 'T K d', code: attentionCode,
         inputs: ['input_layernorm'], weights: [['W_v', 'Kd D']], formula: projection('v'),
         about: 'What each token hands over to those that look at it.'},
        {part: 'self_attn.q_rope', group: 'Attention', title: 'Queries, rotated', axes: 'T H d',
         code: [components('rope'), 'rope'], inputs: ['self_attn.q_proj'], formula: rotation('q'),
         about: 'RoPE turns pairs of numbers by an angle that grows with the token’s position m.'},
        {part: 'self_attn.k_rope', group: 'Attention', title: 'Keys, rotated', axes: 'T K d',
         code: [components('rope'), 'rope'], inputs: ['self_attn.k_proj'], formula: rotation('k'),
         about: 'Keys are turned in the same way, so that a query and a key meet at the angle of their distance.'},
        {part: 'self_attn.scores', group: 'Attention', title: 'Scores', axes: 'H T S', code: attentionCode,
         inputs: ['self_attn.q_rope', 'self_attn.k_rope'],
         formula: equal(v('s'), over(row(v('q'), sup(v('k'), v('⊤'))), root(v('d')))),
         about: 'How well each query fits each key. Those of later tokens are not seen: the softmax leaves them out.'},
        {part: 'self_attn.probs', group: 'Attention', title: 'Attention', axes: 'H T S',
         code: [components('softmax'), 'causal_softmax'], inputs: ['self_attn.scores'],
         formula: equal(sub(v('p'), v('t') + v('s')), over(sup(v('e'), sub(v('s'), v('t') + v('s'))), row(
             sum(row(v('u'), o('≤'), v('t'))), sup(v('e'), sub(v('s'), v('t') + v('u')))))),
         about: 'Where each token looks: every row is positive, sums to 1, and has zeros for later tokens.'},
        {part: 'self_attn.context', group: 'Attention', title: 'Context', axes: 'T H d', code: attentionCode,
         inputs: ['self_attn.probs', 'self_attn.v_proj'], formula: equal(v('c'), v('p'), v('v')),
         about: 'The values of the tokens looked at, mixed by those shares.'},
        {part: 'self_attn.o_proj', group: 'Attention', title: 'Attention’s output', axes: 'T D', code: attentionCode,
         inputs: ['self_attn.context'], weights: [['W_o', 'D Hd']], formula: is(v('c'), transposed('W', 'o')),
         about: 'The heads side by side, mixed into one vector a token.'},
        {part: 'residual_attn', group: 'Sum', title: 'Stream after attention', axes: 'T D', stream: true,
         code: layerCode, inputs: ['x', 'self_attn.o_proj'], formula: is(v('x'), o('+'), f('attention'), of(v('x'))),
         about: 'What attention found is added to the residual stream.'},
        ...norm('post_attention_layernorm', 'Norm before the MLP', 'residual_attn'),
        {part: 'mlp.gate_proj', group: 'MLP', title: 'Gate', axes: 'T F', code: mlpCode,
         inputs: ['post_attention_layernorm'], weights: [['W_g', 'F D']], formula: projection('g'),
         about: 'One number for each of F features: how much of it is there.'},
        {part: 'mlp.act_fn', group: 'MLP', title: 'Gate, activated', axes: 'T F', code: [components('gelu'), 'gelu'],
         inputs: ['mlp.gate_proj'],
         formula: equal(v('a'), over(v('g'), n(2)), of(n(1), o('+'), f('tanh'), of(
             root(over(n(2), v('π'))), of(v('g'), o('+'), n('0.044715'), sup(v('g'), n(3)))))),
         about: 'GELU opens the gate smoothly: what is far below zero becomes nothing.'},
        {part: 'mlp.up_proj', group: 'MLP', title: 'Up', axes: 'T F', code: mlpCode,
         inputs: ['post_attention_layernorm'], weights: [['W_u', 'F D']], formula: projection('u'),
         about: 'What each feature has to say, before the gate.'},
        {part: 'mlp.gated', group: 'MLP', title: 'Gated', axes: 'T F', code: mlpCode,
         inputs: ['mlp.act_fn', 'mlp.up_proj'], formula: equal(v('h'), v('a'), o('⊙'), v('u')),
         about: 'The gate decides how much of each feature passes: GeGLU.'},
        {part: 'mlp.down_proj', group: 'MLP', title: 'The MLP’s output', axes: 'T D', code: mlpCode,
         inputs: ['mlp.gated'], weights: [['W_d', 'D F']], formula: is(v('h'), transposed('W', 'd')),
         about: 'The features back in the size of the stream.'},
        {part: '', group: 'Sum', title: 'Layer’s output', axes: 'T D', stream: true, code: layerCode,
         inputs: ['residual_attn', 'mlp.down_proj'],
         formula: is(v('x'), o('+'), f('MLP'), of(v('x'))),
         about: 'What the MLP found is added to the stream, and the next layer reads it.'},
    ];

    const after = [
        ...norm('model.norm', 'Final norm', 'x'),
        {part: 'lm_head', group: 'Logits', title: 'Logits', axes: 'T V', code: ['gemma/model/model.cpp', 'forward'],
         inputs: ['model.norm'], weights: [['E', 'V D']], formula: is(v('x'), sup(v('E'), v('⊤'))),
         about: 'One number for each token of the vocabulary: how fitting it is as the next one. The embedding ' +
             'table again.'},
    ];

    const outside = new Map([...before, ...after].map((step) => [step.part, step]));
    const inside = new Map(layer.map((step) => [step.part, step]));

    // "model.layers.3.mlp.gated" is part "mlp.gated" of layer 3.
    function find(name) {
        const layer = gemma.layerOf(name);
        if (layer === null) return [outside.get(name), null];
        return [inside.get(name.replace(/^model\.layers\.\d+\.?/, '')), layer];
    }

    // The full name of an input: x is what the layer, or the final norm, reads from the stream.
    function inputName(input, layer) {
        if (input === 'x') {
            const above = layer === null ? gemma.trace.layers : layer;
            return above === 0 ? 'model.embed_scaled' : `model.layers.${above - 1}`;
        }
        return layer === null ? input : `model.layers.${layer}.${input}`;
    }

    const mathML = (formula) => {
        const holder = document.createElement('template');
        holder.innerHTML = `<math display="block">${formula}</math>`;
        return holder.content.firstChild;
    };

    gemma.step = (name) => {
        const [step, layer] = find(name);
        if (!step) {
            return {name, part: name, layer, group: null, title: name.replace(/^model\.layers\.\d+\./, ''), about: null, formula: null, code: null,
                    letters: null, axes: null, inputs: [], weights: [], stream: false};
        }
        return {
            ...step, name, layer,
            letters: step.axes.split(' '),
            axes: gemma.axes(name),
            formula: () => mathML(step.formula),
            inputs: (step.inputs ?? []).map((input) => inputName(input, layer)),
            weights: (step.weights ?? []).map(([weight, axes]) => [weight, axes.split(' ')]),
            stream: step.stream ?? false,
        };
    };

    // Letters where the tensor has as many axes; another implementation may give it others.
    gemma.axes = (name) => {
        const axes = find(name)[0]?.axes.split(' ') ?? null;
        return axes && gemma.trace.shape(name)?.length === axes.length ? axes : null;
    };

    gemma.letters = {
        T: 'tokens', S: 'tokens seen so far', D: 'hidden size', H: 'query heads', K: 'key/value heads',
        d: 'head dimension', F: 'feed-forward size', V: 'vocabulary', L: 'layers',
    };

    gemma.sizes = {};
    const sizes = gemma.sizes, config = gemma.trace?.config;
    for (const name of gemma.trace?.names ?? []) {
        (gemma.axes(name) ?? []).forEach((letter, axis) => { sizes[letter] ??= gemma.trace.shape(name)[axis]; });
    }
    if (config) {
        Object.assign(sizes, {
            D: config.hidden_size, H: config.num_attention_heads, K: config.num_key_value_heads, d: config.head_dim,
            F: config.intermediate_size, V: config.vocab_size, L: config.num_hidden_layers,
        });
    }
}
