'use strict';
// The one global name of the page, and how its parts make elements.
//
//   gemma.element('p', {class: 'note'}, 'text', node)      an HTML element
//   gemma.svg('circle', {cx: 3, r: 2})                     an SVG element
//
// Attributes: text and numbers as they are; true for one without a value; false, null and undefined for none; a function
// under 'onclick' and the like listens. Children: nodes, texts, lists of them; null and undefined are passed over.
// Texts become text nodes, so nothing in a trace can become markup.
const gemma = {};

{
    const svgNamespace = 'http://www.w3.org/2000/svg';

    function fill(node, attributes, children) {
        for (const [name, value] of Object.entries(attributes || {})) {
            if (value === false || value === null || value === undefined) continue;
            if (typeof value === 'function') node.addEventListener(name.replace(/^on/, ''), value);
            else node.setAttribute(name, value === true ? '' : value);
        }
        node.append(...children.flat(Infinity).filter((child) => child !== null && child !== undefined));
        return node;
    }

    gemma.element = (tag, attributes, ...children) => fill(document.createElement(tag), attributes, children);

    gemma.svg = (tag, attributes, ...children) =>
        fill(document.createElementNS(svgNamespace, tag), attributes, children);

    // A name that no other element has: for labels and descriptions that point at each other.
    let names = 0;
    gemma.uniqueName = (beginning) => `${beginning}-${names++}`;

    // What a screen reader says of a picture.
    gemma.describe = (element, text) => {
        if (!element.hasAttribute('role')) element.setAttribute('role', 'img');
        element.setAttribute('aria-label', text);
        return element;
    };

    // A number in `digits` digits, or as many decimals where it is below one, so that numbers stand below each other; with
    // a true minus sign: 0.1234, −12.35, 1.20e−7.
    gemma.number = (x, digits = 4) => {
        if (x === null || x === undefined) return '';
        if (Number.isNaN(x)) return 'NaN';
        if (!Number.isFinite(x)) return x > 0 ? '∞' : '−∞';
        const size = Math.abs(x);
        let text;
        if (size === 0) text = '0';
        else if (size < 1e-4 || size >= 1e6) text = x.toExponential(Math.max(digits - 2, 1)).replace('e+', 'e');
        else text = x.toFixed(Math.max(0, digits - (size < 1 ? 0 : Math.floor(Math.log10(size)) + 1)));
        return text.replaceAll('-', '−');
    };

    // A float32 in as few digits as tell it from every other.
    gemma.exact = (x) => {
        if (!Number.isFinite(x)) return gemma.number(x);
        let digits = 1;
        while (Math.fround(Number(x.toPrecision(digits))) !== Math.fround(x)) ++digits;
        return String(Number(x.toPrecision(digits))).replace('e+', 'e').replaceAll('-', '−');
    };

    // A share of one as a percentage.
    gemma.percent = (p) => `${p >= 0.0995 ? (100 * p).toFixed(0) : p >= 0.00095 ? (100 * p).toFixed(1) : '< 0.1'} %`;
}
