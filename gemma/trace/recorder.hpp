// The recorder: an Observer that keeps what it sees, in memory or in a file.
//
//   Recorder recorder({{"model.layers.0.*"}});
//   model.forward(tokens, cache, Trace(recorder));
//   recorder.tensor("model.layers.0.self_attn.probs")
//
// Several forward calls in a row (decoding with the cache, a prompt in pieces, generation) give one tensor for each
// name: a call's rows follow those of the call before it along the token axis. Of scores and probs [H, T, S] the last
// axis grows from call to call; rows of earlier calls get zeros for the tokens that came later. So the record of cached
// decoding is that of one pass over all tokens, but for the scores of later tokens, which the mask takes away, and for
// logits that were not computed: forward_last gives those of the last token only.
#pragma once

#include "gemma/trace/record.hpp"
#include "gemma/trace/trace.hpp"

#include <cstddef>
#include <filesystem>
#include <map>
#include <memory>
#include <string>
#include <vector>

namespace gemma {

struct RecorderOptions {
    /// Which tensors: patterns with * for any text and ? for any one character. None: all.
    std::vector<std::string> names = {};
    /// Which tokens' rows, counted over the whole run.
    TokenRange range = {};
    /// The file that the record will be written to. When given, the numbers wait in a nameless file beside it, which
    /// vanishes with the recorder, and not in memory.
    std::filesystem::path stream_beside = {};
};

class Recorder : public Observer, public Record {
public:
    /// Throws an Error when the file beside `stream_beside` cannot be made.
    explicit Recorder(RecorderOptions options = {});
    ~Recorder() override;

    /// Throws an Error when a tensor's rows do not fit those that came before under its name, and for a full disk.
    void observe(const std::string& name, const TensorView& tensor) override;

    /// Names without a row in the range are left out.
    std::vector<std::string> names() const override;
    Shape shape(const std::string& name) const override;
    RecordedTensor tensor(const std::string& name) const override;
    TokenRange range() const override { return options_.range; }

private:
    class NumbersFile;

    // What is kept of one call, in memory or at a place in the file. T of its shape counts the kept rows.
    struct Piece {
        Shape shape;
        std::vector<float> numbers;
        std::size_t place;
    };
    struct Pieces {
        std::size_t axis;  // the token axis
        std::size_t rows;  // kept in all
        Shape last_shape;  // of the last call, with all its rows
        std::vector<Piece> list;
    };

    bool wanted(const std::string& name) const;
    void keep(Pieces& pieces, const TensorView& tensor, std::size_t first, std::size_t last);
    const Pieces& find(const std::string& name) const;
    Shape shape(const Pieces& pieces) const;
    void read(const Piece& piece, std::size_t first, std::size_t count, float* target) const;

    RecorderOptions options_;
    std::unique_ptr<NumbersFile> file_;  // none: numbers are in memory
    std::map<std::string, Pieces> records_;
    std::string first_name_;   // what each forward call begins with
    std::size_t run_end_ = 0;  // tokens seen so far
};

}  // namespace gemma
