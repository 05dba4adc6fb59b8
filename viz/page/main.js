'use strict';
// Puts the page together: what is there is shown, in this order. And its keys.
{
    const make = gemma.element, trace = gemma.trace;
    const byId = (id) => document.getElementById(id);

    // --- Light and dark ----------------------------------------------------------------------------------------------

    function themeButton() {
        const button = make('button', {type: 'button', onclick: () => switchTheme()});
        const say = () => {
            const other = gemma.theme() === 'dark' ? 'light' : 'dark';
            button.textContent = other === 'dark' ? '☾' : '☼';
            button.title = `${other === 'dark' ? 'Dark' : 'Light'} (t)`;
            button.setAttribute('aria-label', `Switch to ${other}`);
        };
        gemma.onSelect(say);
        say();
        return button;
    }

    const switchTheme = () => gemma.setTheme(gemma.theme() === 'dark' ? 'light' : 'dark');

    // --- Keys --------------------------------------------------------------------------------------------------------

    const nextHead = (distance) => {
        const heads = gemma.sizes.H ?? 1;
        gemma.select({head: (gemma.selection.head + distance + heads) % heads});
    };

    // [keys, what they do, how]. Those that need a trace are left out where there is none.
    const keys = [
        ...(trace ? [
            ['ArrowRight', 'next step', () => gemma.stepBy(1)],
            ['ArrowLeft', 'step before', () => gemma.stepBy(-1)],
            [']', 'next layer', () => gemma.layerBy(1)],
            ['[', 'layer before', () => gemma.layerBy(-1)],
        ] : []),
        ...(trace && trace.tokens.length > 0 ? [
            ['.', 'next token', () => gemma.tokenBy(1)],
            [',', 'token before', () => gemma.tokenBy(-1)],
            ['h', 'next head', () => nextHead(1)],
        ] : []),
        ['t', 'light or dark', switchTheme],
        ['?', 'these keys', () => byId('help').showModal()],
    ];
    const keyNames = {ArrowRight: '→', ArrowLeft: '←'};

    document.addEventListener('keydown', (event) => {
        if (event.ctrlKey || event.metaKey || event.altKey || event.defaultPrevented || byId('help').open) return;
        if (event.target.closest?.('input, select, textarea, dialog')) return;
        const found = keys.find(([key]) => key === event.key);
        if (!found) return;
        event.preventDefault();
        found[2]();
    });

    function buildHelp() {
        byId('help').append(
            make('h2', {id: 'help-title'}, 'Keys'),
            make('dl', {class: 'keys'}, keys.map(([key, what]) => make(
                'div', {}, make('dt', {}, make('kbd', {}, keyNames[key] ?? key)), make('dd', {}, what)))),
            trace ? make('p', {class: 'about'}, 'In a picture that has the focus, the arrow keys go from number to ' +
                         'number and Enter selects the token. Ctrl and the mouse wheel zoom.') : null,
            make('form', {method: 'dialog'}, make('button', {}, 'Close')));
    }

    // --- The page ----------------------------------------------------------------------------------------------------

    function origin({model, precision, producer}) {
        return [model, trace.layers > 0 ? `${trace.layers} layers` : null,
                trace.tokens.length > 0 ? `${trace.tokens.length} tokens` : null, precision,
                producer ? `by ${producer}` : null].filter(Boolean).join(' · ');
    }

    function navigation(links) {
        return make('nav', {class: 'contents', 'aria-label': 'Contents'}, links.map(
            ({id, title}) => make('a', {href: `#${id}`}, title)));
    }

    byId('tools').append(themeButton(), make('button', {
        type: 'button', 'aria-label': 'Keys', title: 'Keys (?)', onclick: () => byId('help').showModal(),
    }, '?'));
    buildHelp();

    const links = [];
    if (trace && trace.names.length > 0) {
        if (trace.header.model) byId('origin').textContent = origin(trace.header);
        if (trace.tokens.length > 0) {
            gemma.mountTokens(byId('tokens'));
            byId('tokens').hidden = false;
        }
        gemma.mountFlow(byId('flow'));
        links.push({id: 'flow', title: gemma.sizes.T ? 'Steps' : 'Tensors'}, ...gemma.mountPanels(byId('panels')));
    }
    if (byId('figures')) links.unshift({id: 'figures', title: 'Pictures'});
    if (links.length > 1) document.querySelector('.masthead').after(navigation(links));
}
