// Your part: byte-pair encoding. lessons/run 08 --exercise checks it, step by step.

#include "lessons/08_tokenizer/exercise.hpp"

#include "gemma/tensor.hpp"

#include <cstddef>

namespace exercise {

std::vector<int> encode(std::vector<int> pieces, const Merges& merges, gemma::Trace trace) {
    for (std::size_t step = 0; pieces.size() > 1; ++step) {
        const gemma::Trace here = trace.scope("step", step);

        // 1. For each pair of neighbours (pieces[i], pieces[i + 1]) the piece that it makes: look it up in `merges`
        //    (merges.find). Where there is none, leave 0.                                          [n - 1]
        gemma::Vector candidates = gemma::Vector::from_shape({pieces.size() - 1});
        candidates.fill(0.0f);
        (void)merges;
        // your code: fill candidates
        here("candidates", candidates);

        // 2. The pair to join: the smallest candidate that is not 0, of equals the first. If all are 0, the pieces are
        //    the tokens: return them.
        // your code: find its index

        // 3. Put the new piece where the pair was: one piece less.                                 [n - 1]
        std::vector<int> joined(pieces.size() - 1, 0);
        // your code: fill joined
        gemma::Vector shown = gemma::Vector::from_shape({joined.size()});
        for (std::size_t i = 0; i < joined.size(); ++i) shown(i) = static_cast<float>(joined[i]);
        here("pieces", shown);
        pieces = joined;
    }
    return pieces;
}

}  // namespace exercise
