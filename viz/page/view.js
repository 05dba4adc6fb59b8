'use strict';
// A tensor as something flat: rows and columns, in slices where it has more axes than two.
//
//   const view = gemma.tensorView(name)
//     .slices, .sliceName ('head')   how many, and what they are
//     .rows, .columns
//     .place(slice, row, column)     where the number is in the tensor's data
//     .index(slice, row, column)     its index in the tensor's own axes
//     .tokenOf(row)                  whose row it is: a token's index, or null
//     .rowOf(token)                  its row, or null
//     .square                        both axes are tokens
{
    // Axes of one in front that another implementation keeps ([1, T, D] for [T, D]) are passed over.
    function significant(shape, letters) {
        let skipped = 0;
        const wanted = letters?.length ?? 3;
        while (shape.length - skipped > wanted && shape[skipped] === 1) ++skipped;
        return [shape.slice(skipped), shape.slice(0, skipped).map(() => 0)];
    }

    gemma.tensorView = (name) => {
        const trace = gemma.trace, letters = gemma.step(name).letters;
        const [shape, front] = significant(trace.shape(name), letters);
        const ofTokens = Boolean(letters) && trace.tokens.length > 0;

        let slices = 1, rows = 1, columns = 1, sliceName = 'slice', place, index;
        if (shape.length <= 1) {  // a column where each token has one number, else a row
            [rows, columns] = ofTokens || letters ? [shape[0] ?? 1, 1] : [1, shape[0] ?? 1];
            place = (slice, row, column) => row + column;
            index = (slice, row, column) => shape.length === 0 ? [] : [row + column];
        } else if (shape.length === 2) {
            [rows, columns] = shape;
            place = (slice, row, column) => row * columns + column;
            index = (slice, row, column) => [row, column];
        } else if (letters && letters[0] === 'T') {  // [T, heads, d]: a slice for each head
            [rows, slices, columns] = shape;
            sliceName = 'head';
            place = (slice, row, column) => (row * slices + slice) * columns + column;
            index = (slice, row, column) => [row, slice, column];
        } else {  // [heads, T, S], and whatever has more axes
            [rows, columns] = shape.slice(-2);
            const leading = shape.slice(0, -2);
            slices = leading.reduce((a, b) => a * b, 1);
            if (letters) sliceName = 'head';
            place = (slice, row, column) => (slice * rows + row) * columns + column;
            index = (slice, row, column) => {
                const places = [];
                for (let axis = leading.length - 1; axis >= 0; --axis) {
                    places.unshift(slice % leading[axis]);
                    slice = Math.floor(slice / leading[axis]);
                }
                return [...places, row, column];
            };
        }
        const first = trace.last - rows;
        return {
            slices, sliceName, rows, columns, place,
            index: (slice, row, column) => [...front, ...index(slice, row, column)],
            tokenOf: (row) => ofTokens ? first + row : null,
            rowOf: (token) => {
                const row = ofTokens ? token - first : token;
                return row >= 0 && row < rows ? row : null;
            },
            square: letters?.at(-1) === 'S',
        };
    };
}
