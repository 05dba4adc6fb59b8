// Fuzzing without libFuzzer, with any compiler: the inputs to begin with, those that once were findings, and some
// thousands that are made from them, the same ones each time.
//
//   gemma_fuzz_replay TARGET RUNS [FOLDER]     FOLDER: inputs that once were findings
#include "tests/fuzz/target.hpp"

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <random>

namespace {

class Mutator {
public:
    explicit Mutator(std::vector<std::string> inputs) : inputs_(std::move(inputs)) {}

    std::string next() {
        std::string input = any_input();
        for (std::size_t changes = 1 + below(6); changes > 0; --changes) change(input);
        return input;
    }

private:
    std::size_t below(std::size_t count) { return random_() % count; }

    const std::string& any_input() { return inputs_[below(inputs_.size())]; }

    std::string any_part(const std::string& input) {
        const std::size_t from = below(input.size() + 1);
        return input.substr(from, below(std::min<std::size_t>(input.size() - from, 40) + 1));
    }

    void change(std::string& input) {
        static const std::string tokens[] = {
            "0", "-1", "1e999",   "18446744073709551615", "4294967296", "null", "[", "]", "{", "}", "\"",
            ",", ":",  "\\u0000", std::string(1, '\0'),   "\xff",       "\n"};
        const std::size_t at = below(input.size() + 1);
        switch (below(7)) {
            case 0: input.insert(at, 1, static_cast<char>(random_())); break;
            case 1: input.insert(at, tokens[below(std::size(tokens))]); break;
            case 2: input.insert(at, any_part(any_input())); break;
            case 3: input.erase(at, 1 + below(8)); break;
            case 4: input.resize(at); break;
            case 5: change_number(input, tokens[below(5)]); break;
            default:
                if (at < input.size())
                    input[at] = static_cast<char>(below(2) == 0 ? random_() : input[at] ^ 1 << below(8));
        }
    }

    // Another number in the place of one that is written out.
    void change_number(std::string& input, const std::string& number) {
        const char* const digits = "0123456789";
        const std::size_t begin = input.find_first_of(digits, below(input.size() + 1));
        if (begin == std::string::npos) return;
        const std::size_t end = std::min(input.find_first_not_of(digits, begin), input.size());
        input.replace(begin, end - begin, number);
    }

    std::vector<std::string> inputs_;
    std::mt19937_64 random_{1};
};

std::vector<std::string> findings(const std::filesystem::path& folder) {
    std::vector<std::filesystem::path> files;
    for (const auto& entry : std::filesystem::directory_iterator(folder)) files.push_back(entry.path());
    std::sort(files.begin(), files.end());
    std::vector<std::string> inputs;
    for (const auto& file : files) {
        std::ifstream stream(file, std::ios::binary);
        inputs.emplace_back(std::istreambuf_iterator<char>(stream), std::istreambuf_iterator<char>());
    }
    return inputs;
}

}  // namespace

int main(int count, char** arguments) {
    if (count < 3) {
        std::fprintf(stderr, "usage: %s TARGET RUNS [FOLDER]\n", arguments[0]);
        return 2;
    }
    const auto target = std::find_if(fuzz::targets().begin(), fuzz::targets().end(), [&](const fuzz::Target& known) {
        return known.name == std::string(arguments[1]);
    });
    if (target == fuzz::targets().end()) {
        std::fprintf(stderr, "there is no target %s\n", arguments[1]);
        return 2;
    }
    std::vector<std::string> inputs = target->seeds();
    if (count > 3 && std::filesystem::is_directory(arguments[3])) {
        for (std::string& input : findings(arguments[3])) inputs.push_back(std::move(input));
    }
    for (const std::string& input : inputs) target->read(input);
    Mutator mutator(inputs);
    const unsigned long runs = std::strtoul(arguments[2], nullptr, 10);
    for (unsigned long i = 0; i < runs; ++i) target->read(mutator.next());
    std::printf("%s: %zu inputs to begin with, %lu made from them\n", target->name, inputs.size(), runs);
    return 0;
}
