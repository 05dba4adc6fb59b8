#include "lessons/exercise.hpp"

#include "viz/console.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <exception>
#include <optional>

namespace lesson {

namespace {

struct Shown {
    std::string name;
    gemma::Shape shape;
    std::vector<float> numbers;
};

// Keeps what it is shown, in order.
class Keeper : public gemma::Observer {
public:
    void observe(const std::string& name, const gemma::TensorView& tensor) override {
        shown.push_back({name, tensor.shape, {tensor.data, tensor.data + tensor.size()}});
    }

    const Shown* find(const std::string& name) const {
        const auto found = std::find_if(shown.begin(), shown.end(), [&](const Shown& s) { return s.name == name; });
        return found == shown.end() ? nullptr : &*found;
    }

    std::vector<Shown> shown;
};

struct Distance {
    double relative = 0;    // to the right tensor's largest number
    std::size_t place = 0;  // where it is largest
};

Distance distance(const std::vector<float>& right, const std::vector<float>& learner) {
    Distance worst;
    double largest = 0, difference = 0;
    for (std::size_t i = 0; i < right.size(); ++i) {
        largest = std::max(largest, std::abs(static_cast<double>(right[i])));
        const double here = std::abs(static_cast<double>(learner[i]) - right[i]);
        if (!(here <= difference)) {  // also for NaN
            difference = here;
            worst.place = i;
        }
    }
    worst.relative = largest > 0 ? difference / largest : difference;
    return worst;
}

// What is wrong with a tensor, or nothing.
std::optional<std::string> fault(const Shown& right, const Shown* learner, double tolerance, double& relative) {
    if (learner == nullptr) return "your function does not show it to the trace";
    if (learner->shape != right.shape) {
        return fmt::format("its shape is {}, expected {}", gemma::to_string(learner->shape),
                           gemma::to_string(right.shape));
    }
    const Distance worst = distance(right.numbers, learner->numbers);
    relative = worst.relative;
    if (worst.relative <= tolerance) return std::nullopt;
    return fmt::format("{}{}: found {}, expected {}", right.name,
                       gemma::to_string(gemma::place_of(worst.place, right.shape)), learner->numbers[worst.place],
                       right.numbers[worst.place]);
}

// Whether all tensors of a trial are right; prints them up to the first that is not.
bool passes(const Trial& trial, double tolerance, const viz::Console& console) {
    fmt::print("\n  {}\n", console.bold(trial.input));
    Keeper right, learner;
    trial.right(gemma::Trace(right));
    std::string broken;  // what the learner's function threw: what it showed before that still counts
    try {
        trial.learner(gemma::Trace(learner));
    } catch (const std::exception& error) {
        broken = error.what();
    }
    std::size_t width = 0;
    for (const Shown& expected : right.shown) width = std::max(width, viz::width_of(expected.name));
    for (const Shown& expected : right.shown) {
        double relative = 0;
        const std::optional<std::string> wrong = fault(expected, learner.find(expected.name), tolerance, relative);
        const std::string label =
            viz::padded(expected.name, width + 2) + viz::padded(gemma::to_string(expected.shape), 14);
        if (!wrong) {
            fmt::print("    {} {} off by {:.1e}\n", console.green("✓"), label, relative);
            continue;
        }
        fmt::print("    {} {} {}\n\n", console.red("✗"), label, broken.empty() ? *wrong : broken);
        fmt::print("  {} is the first wrong one: all before it is right.\n", console.bold(expected.name));
        fmt::print("  Look at the line that computes it.\n");
        return false;
    }
    return true;
}

// The known mistake that the learner made, where it is one.
void name_mistake(const LearnerPart& part, const viz::Console& console) {
    if (!part) return;
    const Recognized recognized = recognize(part);
    if (recognized.mistakes.empty()) return;
    fmt::print("\n  {} In a small random model your {} equals that of\n", console.bold("A known mistake."),
               recognized.tensor);
    for (const gemma::Mistake& mistake : recognized.mistakes) {
        fmt::print("    {}: {}\n", console.bold(mistake.name), mistake.what);
    }
    fmt::print("  to {:.1e}; from the right one it is {:.1e} away.\n", recognized.distance, recognized.from_right);
}

}  // namespace

int check_exercise(const std::string& lesson, const std::vector<Trial>& trials, const LearnerPart& part,
                   double tolerance) {
    const viz::Console console;
    fmt::print("{}\n", console.bold("The exercise of lesson " + lesson.substr(0, 2)));
    for (const Trial& trial : trials) {
        if (passes(trial, tolerance, console)) continue;
        name_mistake(part, console);
        fmt::print("  Your file: lessons/{0}/exercise.cpp. One that works: lessons/{0}/solution.cpp.\n", lesson);
        return 1;
    }
    fmt::print("\n  {}\n", console.green("Well done: every number is right."));
    return 0;
}

}  // namespace lesson
