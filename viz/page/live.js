'use strict';
// The live page: asks the program that serves it, and shows the tokens as they come, as they are and with the edits.
{
    const {element, percent} = gemma;
    const byId = (id) => document.getElementById(id);

    // The tensors of a layer that an edit can name, and which of them have heads.
    const layerTensors = ['self_attn.context', 'self_attn.probs', 'self_attn.scores', 'self_attn.q_rope', 'self_attn.k_rope',
        'self_attn.v_proj', 'self_attn.o_proj', 'residual_attn', 'mlp.gate_proj', 'mlp.act_fn', 'mlp.up_proj', 'mlp.gated',
        'mlp.down_proj', 'input_layernorm', 'post_attention_layernorm', ''];
    const queryHeads = ['self_attn.context', 'self_attn.probs', 'self_attn.scores', 'self_attn.q_rope'];
    const keyHeads = ['self_attn.k_rope', 'self_attn.v_proj'];

    let models = [];
    let edits = [];
    let running = null;  // AbortController of the request under way
    let answers = [];    // {title, prompt: [token], tokens: [line of the answer], edits}
    let page = null;     // the address of the page of steps

    const say = (text) => { byId('message').textContent = text; };
    const config = () => models[byId('model').value].config;

    // --- Edits ------------------------------------------------------------------------------------------------------

    function fillSelect(select, entries) {
        select.replaceChildren(...entries.map(([value, text]) => element('option', {value}, text)));
    }

    const numbersTo = (count) => Array.from({length: count}, (_, i) => [i, `${i}`]);

    function fillHeads() {
        const tensor = byId('edit_tensor').value;
        const heads = queryHeads.includes(tensor) ? config().num_attention_heads
            : keyHeads.includes(tensor) ? config().num_key_value_heads : 0;
        byId('edit_head').disabled = heads === 0;
        fillSelect(byId('edit_head'), heads === 0 ? [['', 'none']] : [...numbersTo(heads), ['', 'all']]);
    }

    function modelChosen() {
        fillSelect(byId('edit_layer'), [...numbersTo(config().num_hidden_layers), ['*', 'all']]);
        fillHeads();
        const chat = /instruct|-it$/.test(models[byId('model').value].name);
        byId('chat').checked = chat;
        byId('prompt').value = chat ? 'Tom had a red ball. He gave the ball to Anna.\n\nWho has the ball?'
            : 'Anna gave the ball to Tom. Now the ball belongs to';
        edits = [];
        showEdits();
    }

    const optional = (id) => (byId(id).value === '' ? null : Number(byId(id).value));

    function addEdit() {
        const tensor = byId('edit_tensor').value;
        edits.push({name: `model.layers.${byId('edit_layer').value}${tensor && '.'}${tensor}`, head: optional('edit_head'),
            token: optional('edit_token'), number: optional('edit_number'),
            factor: Number(byId('edit_factor').value), offset: Number(byId('edit_offset').value)});
        showEdits();
    }

    function describeEdit(edit) {
        const places = ['head', 'token', 'number'].filter((place) => edit[place] !== null).map((place) => `${place} ${edit[place]}`);
        const change = edit.factor === 0 ? `becomes ${edit.offset}` : `× ${edit.factor} + ${edit.offset}`;
        return [edit.name, ...places, change].join(', ');
    }

    function showEdits() {
        byId('edits').replaceChildren(...edits.map((edit, i) => element('li', {}, describeEdit(edit), ' ',
            element('button', {type: 'button', 'aria-label': `Remove the edit of ${edit.name}`,
                onclick: () => { edits.splice(i, 1); showEdits(); }}, 'Remove'))));
    }

    // --- Asking -----------------------------------------------------------------------------------------------------

    function post(path, body, signal) {
        return fetch(`${path}?model=${byId('model').value}`, {method: 'POST', signal,
            headers: {'Content-Type': 'application/json'}, body: JSON.stringify(body)});
    }

    async function reason(response) {
        try {
            return (await response.json()).error;
        } catch {
            return `The program answered with status ${response.status}.`;
        }
    }

    // The lines of an answer, one by one, as they come.
    async function* lines(response) {
        const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
        let text = '';
        for (;;) {
            const {value, done} = await reader.read();
            if (done) return;
            text += value;
            const parts = text.split('\n');
            text = parts.pop();
            for (const part of parts) yield JSON.parse(part);
        }
    }

    function request(withEdits) {
        return {prompt: byId('prompt').value, chat: byId('chat').checked, max_tokens: Number(byId('max_tokens').value),
            temperature: Number(byId('temperature').value), top_k: Number(byId('top_k').value),
            top_p: Number(byId('top_p').value), seed: Number(byId('seed').value), edits: withEdits};
    }

    async function ask(answer, signal) {
        const response = await post('/api/generate', request(answer.edits), signal);
        if (!response.ok) throw new Error(await reason(response));
        for await (const line of lines(response)) {
            if (line.error) throw new Error(line.error);
            if (line.prompt) answer.prompt = line.prompt;
            else if (line.stop) answer.stop = line.stop;
            else answer.tokens.push(line);
            showAnswers();
        }
    }

    async function generate(event) {
        event.preventDefault();
        running?.abort();
        const mine = running = new AbortController();
        byId('stop').disabled = false;
        byId('next').hidden = true;
        answers = [{title: 'As it is', edits: []}];
        if (edits.length > 0) answers.push({title: 'With the edits', edits: [...edits]});
        for (const answer of answers) Object.assign(answer, {prompt: [], tokens: [], stop: null});
        say('');
        showAnswers();
        try {
            for (const answer of answers) await ask(answer, mine.signal);
            say(endings());
        } catch (error) {
            say(error.name === 'AbortError' ? 'Stopped.' : error.message);
        }
        if (running === mine) {
            running = null;
            byId('stop').disabled = true;
        }
        byId('steps').hidden = answers[0].prompt.length === 0;
        byId('open_edited').hidden = answers.length < 2;
    }

    const whyStopped = {stop_token: 'the model ended the text', max_tokens: 'as many tokens as were asked for',
        context_full: 'the context is full', asked: 'stopped', time: 'the time is over', closing: 'the server ends'};

    function endings() {
        return answers.map((answer) => `${answer.title}: ${answer.tokens.length} tokens, ${whyStopped[answer.stop]}.`).join(' ');
    }

    // --- Showing ----------------------------------------------------------------------------------------------------

    function tokenButton(answer, line, i) {
        const other = answers.find((one) => one !== answer);
        const differs = other && answer.edits.length > 0 && other.tokens[i]?.token !== line.token;
        const shade = Math.round(100 * line.probability);
        return element('button', {type: 'button', class: differs ? 'token differs' : 'token', style: `--sure: ${shade}%`,
            title: `${line.piece}: ${percent(line.probability)}`, onclick: () => showNext(answer, i)}, visible(line.text || line.piece));
    }

    const visible = (text) => text.replaceAll('\n', '⏎');

    // Inside its button a line break would not break the line: it stands behind it.
    const lineBreaks = (line) => line.text.replace(/[^\n]/g, '');

    function showAnswers() {
        byId('answers').hidden = false;
        byId('answers').replaceChildren(...answers.map((answer) => element('div', {class: 'answer'},
            element('h2', {}, answer.title),
            element('p', {class: 'text'}, element('span', {class: 'prompt'}, promptText(answer)),
                answer.tokens.flatMap((line, i) => [tokenButton(answer, line, i), lineBreaks(line)])))));
    }

    const promptText = (answer) => (byId('chat').checked ? answer.prompt.map((token) => token.piece).join('').replaceAll('▁', ' ')
        : byId('prompt').value);

    function showNext(answer, i) {
        const line = answer.tokens[i];
        const rows = line.likeliest.map((one) => element('tr', one.token === line.token ? {class: 'chosen'} : {},
            element('th', {scope: 'row'}, one.piece),
            element('td', {}, percent(one.probability)),
            element('td', {class: 'bar'}, element('span', {style: `width: ${100 * one.probability}%`}))));
        byId('next').hidden = false;
        byId('next').replaceChildren(
            element('h2', {}, `What could have come as token ${answer.prompt.length + i}`),
            element('p', {}, `${answer.title}: the model's probabilities, before temperature, top-k and top-p.`),
            element('table', {class: 'likeliest'}, element('thead', {}, element('tr', {},
                element('th', {scope: 'col'}, 'token'), element('th', {scope: 'col'}, 'probability'), element('th', {scope: 'col'}, ''))),
            element('tbody', {}, rows)));
    }

    async function openSteps(answer) {
        say('Computing every step …');
        const tokens = [...answer.prompt, ...answer.tokens].map((token) => token.token);
        const response = await post('/api/page', {tokens, prompt_tokens: answer.prompt.length, edits: answer.edits});
        if (!response.ok) {
            say(await reason(response));
            return;
        }
        if (page) URL.revokeObjectURL(page);
        page = URL.createObjectURL(new Blob([await response.text()], {type: 'text/html'}));
        byId('trace').src = page;
        byId('trace').hidden = false;
        say('');
    }

    // --- Beginning --------------------------------------------------------------------------------------------------

    async function begin() {
        fillSelect(byId('edit_tensor'), layerTensors.map((name) => [name, name || '(the layer\'s output)']));
        byId('edit_tensor').addEventListener('change', fillHeads);
        byId('model').addEventListener('change', modelChosen);
        byId('add_edit').addEventListener('click', addEdit);
        byId('request').addEventListener('submit', generate);
        byId('stop').addEventListener('click', () => running?.abort());
        byId('open_plain').addEventListener('click', () => openSteps(answers[0]));
        byId('open_edited').addEventListener('click', () => openSteps(answers[1]));
        models = await (await fetch('/api/models')).json();
        fillSelect(byId('model'), models.map((model, i) => [i, model.name]));
        modelChosen();
    }

    gemma.themeChanged = () => {};  // all colours of this page are in its style
    begin().catch((error) => say(error.message));
}
