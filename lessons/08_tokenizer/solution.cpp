// Byte-pair encoding, written out.

#include "gemma/tensor.hpp"
#include "lessons/08_tokenizer/exercise.hpp"

#include <cstddef>

namespace exercise {

std::vector<int> encode(std::vector<int> pieces, const Merges& merges, gemma::Trace trace) {
    for (std::size_t step = 0; pieces.size() > 1; ++step) {
        const gemma::Trace here = trace.scope("step", step);

        gemma::Vector candidates = gemma::Vector::from_shape({pieces.size() - 1});
        for (std::size_t i = 0; i + 1 < pieces.size(); ++i) {
            const auto merge = merges.find({pieces[i], pieces[i + 1]});
            candidates(i) = merge == merges.end() ? 0.0f : static_cast<float>(merge->second);
        }
        here("candidates", candidates);

        std::size_t best = candidates.size();  // none
        for (std::size_t i = 0; i < candidates.size(); ++i) {
            if (candidates(i) == 0.0f) continue;
            if (best == candidates.size() || candidates(i) < candidates(best)) best = i;
        }
        if (best == candidates.size()) return pieces;

        std::vector<int> joined(pieces.size() - 1, 0);
        for (std::size_t i = 0; i < joined.size(); ++i) joined[i] = i <= best ? pieces[i] : pieces[i + 1];
        joined[best] = static_cast<int>(candidates(best));
        gemma::Vector shown = gemma::Vector::from_shape({joined.size()});
        for (std::size_t i = 0; i < joined.size(); ++i) shown(i) = static_cast<float>(joined[i]);
        here("pieces", shown);
        pieces = joined;
    }
    return pieces;
}

}  // namespace exercise
