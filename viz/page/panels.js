'use strict';
// Panels: the parts of the page below the flow, each a section of its own.
//
//   gemma.panel({
//       id, title, about,              about: a sentence or two below the title
//       applies: () => bool,           whether this page has what the panel shows
//       mount: (element) => update,    builds it; update(selection) is called at once and when the selection changes
//   })
//
// A panel is built when it first comes near the window, and updated while it is near: pages open fast, steps are quick.
{
    const panels = [];

    gemma.panel = (panel) => { panels.push(panel); };

    function section(panel) {
        const make = gemma.element, heading = `${panel.id}-title`;
        const body = make('div', {class: 'panel-body'});
        const element = make('section', {id: panel.id, class: 'panel', 'aria-labelledby': heading},
                             make('h2', {id: heading}, panel.title),
                             panel.about ? make('p', {class: 'about'}, panel.about) : null, body);
        let update = null, near = false, seen = null;

        function refresh() {
            if (!near || seen === gemma.selection || document.readyState === 'loading') return;
            seen = gemma.selection;
            try {
                if (update === null) update = panel.mount(body) ?? (() => {});
                update(gemma.selection);
            } catch (error) {
                update = () => {};
                body.replaceChildren(make('p', {class: 'trouble'}, `This part of the page failed: ${error.message}`));
                console.error(error);
            }
        }

        gemma.onSelect(refresh);
        document.addEventListener('DOMContentLoaded', refresh);  // when all numbers are there
        new IntersectionObserver((entries) => {
            near = entries.at(-1).isIntersecting;
            refresh();
        }, {rootMargin: '200px'}).observe(element);
        return element;
    }

    // Puts the panels that apply into an element; gives their ids and titles, for the navigation.
    gemma.mountPanels = (element) => {
        const shown = panels.filter((panel) => panel.applies());
        element.append(...shown.map(section));
        return shown.map(({id, title}) => ({id, title}));
    };

    gemma.themeChanged = () => {
        gemma.selection = {...gemma.selection};  // another object: what has been seen is to be drawn again
        gemma.notify();
    };
}
