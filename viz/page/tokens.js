'use strict';
// The bar that stays in sight: the tokens, of which one is selected, and where on the page one is.
{
    const make = gemma.element;

    // A token as it stands in the text: what cannot be seen is written out.
    const visible = (piece) => piece.replaceAll('\n', '⏎').replaceAll('\t', '⇥') || '·';

    function chips(trace) {
        const buttons = [];
        for (let token = trace.first; token < trace.last; ++token) {
            const generated = token >= trace.promptTokens;
            buttons.push(make('button', {
                type: 'button', class: `chip${generated ? ' generated' : ''}`, 'data-token': token,
                title: `token ${token}, id ${trace.tokens[token]}${generated ? ', generated' : ''}`,
                onclick: () => gemma.select({token}),
            }, visible(trace.pieces[token] || `${trace.tokens[token]}`)));
        }
        return buttons;
    }

    gemma.tokenBy = (distance) => {
        const {first, last} = gemma.trace;
        gemma.select({token: Math.min(Math.max(gemma.selection.token + distance, first), last - 1)});
    };

    gemma.mountTokens = (bar) => {
        const trace = gemma.trace, buttons = chips(trace);
        const strip = make('div', {class: 'chips', role: 'group', 'aria-label': 'Tokens'}, buttons);
        const said = make('output', {class: 'said'});
        const slider = make('input', {
            type: 'range', min: trace.first, max: trace.last - 1, step: 1, 'aria-label': 'Token',
            oninput: () => gemma.select({token: Number(slider.value)}),
        });
        bar.append(make('div', {class: 'token-line'}, slider, said), strip);
        strip.addEventListener('keydown', (event) => {
            const distance = {ArrowLeft: -1, ArrowRight: 1}[event.key];
            if (!distance) return;
            event.preventDefault();
            event.stopPropagation();
            gemma.tokenBy(distance);
            buttons[gemma.selection.token - trace.first].focus({preventScroll: true});
        });

        let selected = null;
        const update = ({token}) => {
            if (token === selected) return;
            const button = buttons[token - trace.first], before = buttons[(selected ?? token) - trace.first];
            before.setAttribute('aria-pressed', 'false');
            before.tabIndex = -1;
            button.setAttribute('aria-pressed', 'true');
            button.tabIndex = 0;
            selected = token;
            slider.value = token;
            const generated = token - trace.promptTokens;
            said.textContent = generated < 0 ? `token ${token} of the prompt` : `generated token ${generated + 1} of ${
                trace.tokens.length - trace.promptTokens}`;
            strip.scrollLeft = button.offsetLeft - strip.clientWidth / 2 + button.offsetWidth / 2;
        };
        for (const button of buttons) button.tabIndex = -1;
        gemma.onSelect(update);
        update(gemma.selection);
        requestAnimationFrame(() => { selected = null; update(gemma.selection); });  // the strip has its width by then
    };
}
