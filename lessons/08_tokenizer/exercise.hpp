// The exercise: cut a text into tokens, merge by merge.
#pragma once

#include "gemma/trace/trace.hpp"

#include <map>
#include <utility>
#include <vector>

namespace exercise {

/// The piece that two neighbours make together. The lower its id, the earlier it was learned. No id is 0.
using Merges = std::map<std::pair<int, int>, int>;

/// Joins neighbours until no two of them make a piece: each time the pair whose piece has the lowest id; of equals the
/// one furthest left. One pair a step.
///
/// Trace points, for step i of n pieces: step.i.candidates [n - 1], the piece that each pair of neighbours makes, or 0;
/// step.i.pieces [n - 1], the pieces after the step. The last step has candidates only, all 0. A single piece has none.
std::vector<int> encode(std::vector<int> pieces, const Merges& merges, gemma::Trace trace);

}  // namespace exercise
