'use strict';
// Colour scales that the colour-blind can tell apart, and whether the page is light or dark.
//
//   gemma.colours.diverging(v)   v in −1 … 1: blue below zero, orange above, the page's own ground at zero
//   gemma.colours.sequential(v)  v in 0 … 1: from the ground to ink
// Both give [red, green, blue], 0 to 255.
//
// Stops: ColorBrewer's PuOr and YlGnBu (Brewer, Harrower 2003), darkened and lightened for a dark page.
{
    const stops = {
        light: {
            diverging: [[5, 48, 97], [33, 102, 172], [103, 160, 207], [190, 214, 232], [249, 248, 245],
                        [250, 216, 168], [238, 157, 77], [193, 97, 12], [115, 52, 2]],
            sequential: [[251, 250, 244], [226, 241, 214], [178, 220, 198], [110, 190, 190], [54, 150, 186],
                         [33, 105, 165], [35, 62, 135], [18, 27, 84]],
        },
        dark: {
            diverging: [[190, 225, 255], [112, 178, 240], [56, 122, 190], [34, 68, 110], [26, 29, 34],
                        [92, 56, 22], [170, 96, 24], [236, 150, 62], [255, 216, 163]],
            sequential: [[24, 28, 36], [28, 48, 88], [30, 80, 128], [32, 117, 145], [52, 156, 142],
                         [116, 192, 118], [190, 218, 92], [250, 232, 90]],
        },
    };

    function between(colours, v) {
        const place = Math.min(Math.max(v, 0), 1) * (colours.length - 1);
        const i = Math.min(Math.floor(place), colours.length - 2);
        return colours[i].map((from, channel) => Math.round(from + (colours[i + 1][channel] - from) * (place - i)));
    }

    const system = matchMedia('(prefers-color-scheme: dark)');

    const root = document.documentElement;
    let chosen = false;

    gemma.theme = () => root.dataset.theme;
    const followSystem = () => { root.dataset.theme = system.matches ? 'dark' : 'light'; };
    followSystem();

    gemma.colours = {
        diverging: (v) => between(stops[gemma.theme()].diverging, (v + 1) / 2),
        sequential: (v) => between(stops[gemma.theme()].sequential, v),
        css: ([red, green, blue]) => `rgb(${red} ${green} ${blue})`,
        // Of categories (heads, query and key): told apart by everyone on both grounds.
        category: (i) => `var(--category-${i % 6})`,
    };

    // The system's choice until the reader makes another. Pictures whose colours are numbers are drawn again.
    gemma.setTheme = (theme) => {
        chosen = true;
        root.dataset.theme = theme;
        gemma.themeChanged();
    };
    system.addEventListener('change', () => {
        if (chosen) return;
        followSystem();
        gemma.themeChanged();
    });
}
