// SPDX-License-Identifier: GPL-3.0-or-later
// Files written tensor by tensor: byte for byte what is written from tensors that are all there,
// and no more memory than the largest tensor on the way, whatever has to be copied.
#include "engine/device/memory.h"
#include "engine/io/files.h"
#include "engine/io/safetensors.h"
#include "engine/models/loaded_model.h"
#include "engine/models/tensor_file.h"

// After LibTorch's headers, which have members that Qt's macros are named like.
#include "tests/train/tiny_run.h"

using namespace luthier;
using namespace luthier::test;

namespace {

constexpr std::int64_t kMiB = 1 << 20;
constexpr std::int64_t kSlack = 64 << 10;  // what a call holds beside the numbers
constexpr std::int64_t kLargestPiece = 32 * kMiB;

/// As a writer that has all bytes at hand lays them out.
Status write_at_once(const fs::path& path, const NamedTensors& tensors) {
  std::vector<torch::Tensor> kept;
  std::vector<TensorToWrite> entries;
  for (const auto& [name, tensor] : tensors) {
    kept.push_back(tensor.contiguous());
    entries.push_back({name,
                       file_dtype(tensor.scalar_type()),
                       tensor.sizes().vec(),
                       {static_cast<const std::byte*>(kept.back().const_data_ptr()),
                        static_cast<std::size_t>(kept.back().nbytes())}});
  }
  return write_safetensors(path, entries);
}

/// The most that `work` held beside what was held before.
template <class Work>
std::int64_t most_held(const Work& work) {
  reset_memory_peak(torch::kCPU);
  const std::int64_t before = memory_use(torch::kCPU).allocated;
  work();
  return memory_use(torch::kCPU).peak - before;
}

}  // namespace

class TestTensorFile : public QObject {
  Q_OBJECT

 private slots:
  void initTestCase() { install_counting_allocator(); }

  void the_same_bytes_as_all_at_once() {
    const torch::Tensor matrix = torch::arange(6000, torch::kFloat32).view({60, 100});
    const NamedTensors tensors{
        {"turned", matrix.t()},
        {"every.third", matrix.slice(1, 0, 100, 3)},
        {"widened", matrix.slice(0, 0, 1).expand({7, 100})},
        {"halves", matrix.to(torch::kBFloat16)},
        {"step", torch::tensor({3}, torch::kInt64)},
        {"number", torch::tensor(2.5f)},
        {"none", torch::empty({0, 4})},
        {"trained", matrix.clone().requires_grad_()},
        // more than a piece, and no whole number of them
        {"large", torch::arange(2 * kLargestPiece / 4 + 777, torch::kFloat32)},
        {"large.turned", torch::arange(3001 * 4000, torch::kInt32).view({3001, 4000}).t()}};
    QVERIFY(write_at_once(root() / "at_once", tensors).ok());
    QVERIFY(write_tensor_file(root() / "in_turn", tensors).ok());
    QVERIFY(read_file(root() / "in_turn").take() == read_file(root() / "at_once").take());

    NamedTensors cast;
    for (const auto& [name, tensor] : tensors)
      cast.emplace_back(name, tensor.detach().to(torch::kFloat16));
    QVERIFY(write_at_once(root() / "at_once", cast).ok());
    QVERIFY(write_tensor_file(root() / "in_turn", tensors, torch::kFloat16).ok());
    QVERIFY(read_file(root() / "in_turn").take() == read_file(root() / "at_once").take());
  }

  /// As tensors on another device: each has to be copied.
  void one_tensor_at_a_time_is_copied() {
    NamedTensors turned, halves;
    for (int i = 0; i < 12; ++i) {
      turned.emplace_back("t" + std::to_string(i), torch::ones({1024, 1024}).t());
      halves.emplace_back("h" + std::to_string(i), torch::ones({kMiB}, torch::kBFloat16));
    }
    const fs::path path = root() / "peak";
    const std::int64_t one = 4 * kMiB + kSlack;  // of twelve
    QVERIFY(most_held([&] { QVERIFY(write_tensor_file(path, turned).ok()); }) <= one);
    QVERIFY(most_held([&] { QVERIFY(write_tensor_file(path, halves, torch::kFloat32).ok()); }) <=
            one);
    std::vector<TensorToMake> made;
    for (const auto& [name, tensor] : halves) {
      made.push_back({name, torch::kFloat32, {kMiB}, []() -> Result<torch::Tensor> {
                        return torch::zeros({kMiB});
                      }});
    }
    QVERIFY(most_held([&] { QVERIFY(write_tensor_file(path, made).ok()); }) <= one);

    const NamedTensors large{
        {"x", torch::ones({40 * kMiB}, torch::kBFloat16)}};  // 160 MiB to store
    QVERIFY(most_held([&] { QVERIFY(write_tensor_file(path, large, torch::kFloat32).ok()); }) <=
            kLargestPiece + kSlack);
  }

  void a_model_in_another_type_too() {
    make_model(root() / "random");
    LoadOptions options;
    options.device = "cpu";
    options.dtype = "bfloat16";
    options.random_weights = true;
    const auto loaded = load_model(root() / "random", options);
    QVERIFY(loaded.ok());
    std::int64_t all = 0, largest = 0;
    for (const torch::Tensor& tensor : loaded->model->parameters()) {
      all += 4 * tensor.numel();
      largest = std::max(largest, 4 * tensor.numel());
    }
    QVERIFY(all > 2 * (largest + kSlack));
    const std::int64_t most =
        most_held([&] { QVERIFY(save_model(*loaded, root() / "saved", torch::kFloat32).ok()); });
    QVERIFY2(most > 0 && most <= largest + kSlack, std::to_string(most).c_str());
  }

  void what_is_read_stands_in_its_place_alone() {
    const fs::path path = root() / "read";
    NamedTensors tensors;
    for (int i = 0; i < 12; ++i)
      tensors.emplace_back("t" + std::to_string(i), torch::full({kMiB}, i));
    QVERIFY(write_tensor_file(path, tensors, torch::kFloat32).ok());
    std::map<std::string, torch::Tensor> read;
    const auto reads = [&](torch::Device device) {
      return most_held([&] { read = read_tensor_file(path, device).take(); });
    };
    QVERIFY(reads(torch::kCPU) <= 12 * 4 * kMiB + kSlack);
    for (const auto& [name, tensor] : tensors)
      QVERIFY(read.at(name).equal(tensor.to(torch::kFloat32)));
    read.clear();
    // A device that takes everything and holds nothing: what is left is the CPU's part of it.
    QVERIFY(reads(torch::kMeta) <= 2 * kMiB);
    QVERIFY(read.size() == 12 && read.at("t3").is_meta());
  }

  void a_file_that_fails_leaves_the_one_before() {
    const fs::path path = root() / "result";
    const auto put = [&](bool fails) {
      return put_file(path, [&](const fs::path& beside) -> Status {
        return write_tensor_file(beside,
                                 {{"a",
                                   torch::kFloat32,
                                   {4},
                                   []() -> Result<torch::Tensor> { return torch::ones({4}); }},
                                  {"b", torch::kFloat32, {4}, [=]() -> Result<torch::Tensor> {
                                     if (fails) return machine_error("no more", "b");
                                     return torch::ones({4});
                                   }}});
      });
    };
    QVERIFY(put(false).ok());
    const std::string before = read_file(path).take();
    const Status failed = put(true);
    QVERIFY(!failed.ok() && failed.error().what == "no more");
    QVERIFY(read_file(path).take() == before);
    const auto thrown = [&] {
      return put_file(path, [&](const fs::path& beside) -> Status {
        write_text(beside, "half");
        throw std::bad_alloc();
      });
    };
    QVERIFY_THROWS_EXCEPTION(std::bad_alloc, thrown().ok());
    QVERIFY(read_file(path).take() == before && !fs::exists(path.string() + ".part"));
  }

 private:
  fs::path root() const { return folder_.path().toStdString(); }
  QTemporaryDir folder_;
};

QTEST_GUILESS_MAIN(TestTensorFile)
#include "test_tensor_file.moc"
