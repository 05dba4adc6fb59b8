#include "gemma/trace/tensor_file.hpp"

#include "gemma/checkpoint/mapped_file.hpp"
#include "gemma/checkpoint/safetensors.hpp"
#include "gemma/error.hpp"
#include "gemma/json.hpp"
#include "gemma/trace/npy.hpp"
#include "gemma/trace/zip.hpp"

#include <algorithm>
#include <cstring>
#include <map>
#include <system_error>

namespace gemma {

namespace {

namespace fs = std::filesystem;

constexpr std::string_view npy_ending = ".npy";

class SafetensorsTensors : public TensorFile {
public:
    explicit SafetensorsTensors(const fs::path& path) : TensorFile(path), file_(path) {
        const TraceFile trace(path, TraceFile::Accept::any_tensors);
        header_ = trace.header();
        range_ = trace.range();
        is_trace_ = file_.metadata().count("format_version") != 0;
        for (const StoredTensor& tensor : file_.tensors()) {
            const bool integers = tensor.dtype == DType::int64;
            arrays_.push_back(
                {tensor.name, tensor.shape, std::string(to_string(tensor.dtype)), !integers, integers, false});
        }
    }

    std::vector<float> read_floats(std::size_t array) const override {
        const StoredTensor& tensor = file_.tensors()[array];
        std::vector<float> numbers(element_count(tensor.shape));
        to_float32(tensor.data, tensor.dtype, numbers.size(), numbers.data());
        return numbers;
    }

    std::vector<std::int64_t> read_integers(std::size_t array) const override {
        const StoredTensor& tensor = file_.tensors()[array];
        if (tensor.dtype != DType::int64)
            fail("{}: {} is {}, expected int64", path_.string(), tensor.name, to_string(tensor.dtype));
        std::vector<std::int64_t> numbers(element_count(tensor.shape));
        std::memcpy(numbers.data(), tensor.data, tensor.bytes());
        return numbers;
    }

private:
    SafetensorsFile file_;
};

// What .npz files and directories of .npy files have in common: arrays with a header each.
class NpyTensors : public TensorFile {
public:
    std::vector<float> read_floats(std::size_t array) const override {
        const NpyHeader& header = headers_[array];
        return npy_floats(read_whole(array).data() + header.bytes, header.type, element_count(header.shape));
    }

    std::vector<std::int64_t> read_integers(std::size_t array) const override {
        const NpyHeader& header = headers_[array];
        return npy_integers(read_whole(array).data() + header.bytes, header.type, element_count(header.shape));
    }

protected:
    using TensorFile::TensorFile;

    // The whole array, header and numbers.
    virtual std::vector<std::byte> read_bytes(std::size_t array) const = 0;

    std::string where(const std::string& name) const { return fmt::format("{}: {}", path_.string(), name); }

    // `start` are the first bytes of `bytes` in all.
    void add(const std::string& name, const std::vector<std::byte>& start, std::size_t bytes) {
        if (!is_printable(name))
            fail("{}: an array is called {}, expected a printable name", path_.string(), excerpt(name));
        const NpyHeader header = read_npy_header(start, bytes, where(name));
        const bool known = header.type != NpyType::other;
        headers_.push_back(header);
        arrays_.push_back({name, header.shape, excerpt(header.descr), is_float(header.type),
                           known && !is_float(header.type), header.fortran_order});
    }

private:
    // A file of a directory is opened once more, and may be another by then.
    std::vector<std::byte> read_whole(std::size_t array) const {
        std::vector<std::byte> bytes = read_bytes(array);
        const std::size_t expected = headers_[array].bytes + headers_[array].data_bytes;
        if (bytes.size() != expected) {
            fail("{}: found {} bytes, expected the {} that it had before", where(arrays_[array].name), bytes.size(),
                 expected);
        }
        return bytes;
    }

    std::vector<NpyHeader> headers_;
};

std::string without_npy(const std::string& name) {
    const bool has_ending = name.size() > npy_ending.size() &&
                            name.compare(name.size() - npy_ending.size(), npy_ending.size(), npy_ending) == 0;
    return has_ending ? name.substr(0, name.size() - npy_ending.size()) : "";
}

class NpzTensors : public NpyTensors {
public:
    explicit NpzTensors(const fs::path& path) : NpyTensors(path), file_(path) {
        std::map<std::string, int> count;
        for (const ZipEntry& entry : file_.entries()) {
            const std::string name = without_npy(entry.name);
            if (name.empty())
                fail("{}: found an entry {}, expected entries NAME.npy, as numpy.savez writes them", path.string(),
                     entry.name);
            const int occurrence = ++count[name];
            add(occurrence == 1 ? name : fmt::format("{}#{}", name, occurrence),
                file_.read_start(entry, longest_npy_header), entry.size);
        }
        if (arrays_.empty()) fail("{}: found no array, expected at least one", path.string());
    }

protected:
    std::vector<std::byte> read_bytes(std::size_t array) const override { return file_.read(file_.entries()[array]); }

private:
    ZipFile file_;
};

class NpyDirectory : public NpyTensors {
public:
    explicit NpyDirectory(const fs::path& path) : NpyTensors(path) {
        std::error_code error;
        for (fs::directory_iterator entry(path, error), end; !error && entry != end; entry.increment(error)) {
            if (!without_npy(entry->path().filename().string()).empty()) files_.push_back(entry->path());
        }
        if (error) fail("{}: the directory cannot be read: {}", path.string(), error.message());
        if (files_.empty())
            fail("{}: found no .npy file in this directory, expected one for each tensor", path.string());
        std::sort(files_.begin(), files_.end());
        for (const fs::path& file : files_) {
            const MappedFile mapped(file);
            const std::size_t most = std::min(mapped.size(), longest_npy_header);
            add(without_npy(file.filename().string()), {mapped.data(), mapped.data() + most}, mapped.size());
        }
    }

protected:
    std::vector<std::byte> read_bytes(std::size_t array) const override {
        const MappedFile mapped(files_[array]);
        return {mapped.data(), mapped.data() + mapped.size()};
    }

private:
    std::vector<fs::path> files_;
};

}  // namespace

std::unique_ptr<TensorFile> open_tensor_file(const fs::path& path) {
    std::error_code error;
    if (fs::is_directory(path, error)) return std::make_unique<NpyDirectory>(path);
    if (path.extension() == ".npz") return std::make_unique<NpzTensors>(path);
    return std::make_unique<SafetensorsTensors>(path);
}

}  // namespace gemma
