// Checks what a learner wrote: every tensor on the way is compared with the right one, and the first wrong one is
// named.
//
// An exercise is three files beside a lesson: exercise.hpp declares the function, exercise.cpp is for the learner to
// fill in, solution.cpp is one that works. check.cpp calls the function, whichever it is linked with:
//
//   int main() {
//       return lesson::check_exercise("05_rope", {{"5 tokens, 2 heads of 8 numbers",
//           [&](gemma::Trace trace) { ... show the right tensors to trace ... },
//           [&](gemma::Trace trace) { exercise::rope(x, rotation, trace); }}});
//   }
//
// With a part, a function that gives the numbers of a known mistake is told which.
#pragma once

#include "gemma/trace/trace.hpp"
#include "lessons/recognize.hpp"

#include <functional>
#include <string>
#include <vector>

namespace lesson {

/// One input for the learner's function. Both show tensors of the same names to the trace, in the order in which they
/// are computed.
struct Trial {
    std::string input;
    std::function<void(gemma::Trace)> right;
    std::function<void(gemma::Trace)> learner;
};

/// Prints, trial by trial, how far each of the learner's tensors is from the right one, relative to the largest number
/// of the right one, and stops at the first that is over the tolerance, or missing, or of another shape. Then it names
/// the known mistake with which `part` gives the learner's numbers, where there is one. Returns the exit code: 0 when
/// all are right, 1 when one is not.
int check_exercise(const std::string& lesson, const std::vector<Trial>& trials, const LearnerPart& part = {},
                   double tolerance = 1e-5);

}  // namespace lesson
