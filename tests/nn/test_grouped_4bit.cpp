// SPDX-License-Identifier: GPL-3.0-or-later
// GPTQ's and AWQ's layouts beside a reader that goes through a file's words one code at a time; any
// order of columns; what tensor operations give; files that lie.
#include <torch/csrc/autograd/autograd.h>

#include "engine/nn/weight.h"
#include "engine/nn/weights/grouped_4bit.h"

#include <QtTest>  // after LibTorch: its keyword `slots` is a name there

using namespace luthier;
using torch::Tensor;

namespace {

constexpr std::int64_t kRows = 24, kCols = 48;

struct Form {
  const char* name;
  Json settings;
  std::int64_t group;
  bool act_order = false;
};

std::vector<Form> forms() {
  const auto gptq = [](Json more) {
    more["quant_method"] = "gptq";
    more["bits"] = 4;
    return more;
  };
  return {{"gptq", gptq({{"group_size", 16}}), 16},
          {"gptq, act-order", gptq({{"group_size", 16}, {"desc_act", true}}), 16, true},
          {"gptq, a short last group", gptq({{"group_size", 32}}), 32},
          {"gptq, whole rows", gptq({{"group_size", -1}}), kCols},
          {"gptq, second version",
           gptq({{"group_size", 8}, {"checkpoint_format", "gptq_v2"}, {"format", "gptq"}}), 8},
          {"awq", {{"quant_method", "awq"}, {"bits", 4}, {"group_size", 16}}, 16},
          {"awq, whole rows", {{"quant_method", "awq"}, {"group_size", -1}}, kCols}};
}

bool is_awq(const Form& form) { return form.settings["quant_method"] == "awq"; }
bool is_second(const Form& form) { return form.settings.contains("checkpoint_format"); }

const WeightPacking& packing(const Form& form) {
  return *weight_packing(**find_weight_kind(form.settings, "here"));
}

Tensor words(std::int64_t rows, std::int64_t cols) {
  return torch::randint(-(std::int64_t{1} << 31), std::int64_t{1} << 31, {rows, cols},
                        torch::kInt64)
      .to(torch::kInt32);
}

StoredParts drawn(const Form& form) {
  const std::int64_t groups = (kCols + form.group - 1) / form.group;
  StoredParts parts;
  parts[""] = is_awq(form) ? words(kCols, kRows / 8) : words(kCols / 8, kRows);
  parts[".qzeros"] = words(groups, kRows / 8).bitwise_and(0x77777777);
  parts[".scales"] = (torch::rand({groups, kRows}) * 0.1 + 0.01).to(torch::kFloat16);
  if (is_awq(form)) return parts;
  Tensor group_of = torch::arange(kCols).div(form.group, "floor");
  if (form.act_order) group_of = group_of.index_select(0, torch::randperm(kCols, torch::kInt64));
  parts[".g_idx"] = group_of.to(torch::kInt32);
  return parts;
}

int bits_of(const Tensor& of, std::int64_t row, std::int64_t col, int at) {
  return static_cast<int>(
      static_cast<std::uint32_t>(of[row][col].item<std::int32_t>()) >> (4 * at) & 15);
}

/// One number of the file.
float number(const Form& form, const StoredParts& parts, std::int64_t row, std::int64_t col) {
  constexpr int kPlaceOf[8] = {0, 4, 1, 5, 2, 6, 3, 7};  // of a row in an AWQ word
  std::int64_t group = col / form.group;
  if (!is_awq(form)) group = parts.at(".g_idx")[col].item<std::int64_t>();
  const int place = is_awq(form) ? kPlaceOf[row % 8] : static_cast<int>(row % 8);
  const int code = is_awq(form) ? bits_of(parts.at(""), col, row / 8, place)
                                : bits_of(parts.at(""), col / 8, row, static_cast<int>(col % 8));
  const int zero = bits_of(parts.at(".qzeros"), group, row / 8, place) +
                   (is_awq(form) || is_second(form) ? 0 : 1);
  return static_cast<float>(code - zero) * parts.at(".scales")[group][row].item<float>();
}

Tensor numbers(const Form& form, const StoredParts& parts) {
  Tensor all = torch::empty({kRows, kCols});
  auto to = all.accessor<float, 2>();
  for (std::int64_t row = 0; row < kRows; ++row)
    for (std::int64_t col = 0; col < kCols; ++col) to[row][col] = number(form, parts, row, col);
  return all;
}

}  // namespace

class TestGrouped4bit : public QObject {
  Q_OBJECT

 private slots:
  void init() { torch::manual_seed(21); }

  void words_are_taken_apart() {
    for (const Form& form : forms()) {
      const StoredParts parts = drawn(form);
      const auto read = packing(form).read(parts, kRows, kCols, form.settings, "file: m.a.qweight");
      QVERIFY2(read.ok(), read.ok() ? form.name : read.error().sentence().c_str());
      const Tensor wanted = numbers(form, parts);
      QVERIFY2(at::equal((*read)->dense_rows(0, kRows, torch::kFloat32), wanted), form.name);
      for (const auto type : {torch::kBFloat16, torch::kFloat16})
        QVERIFY2(at::equal((*read)->dense_rows(3, 11, type), wanted.slice(0, 3, 11).to(type)),
                 form.name);
      for (const auto type : {torch::kFloat32, torch::kBFloat16})
        QVERIFY2(at::equal(grouped_4bit::dense_by_operations(**read, 5, 17, type),
                           wanted.slice(0, 5, 17).to(type)),
                 form.name);
      QCOMPARE((*read)->bytes(), packing(form).kind->bytes(kRows, kCols, form.settings));
    }
  }

  void groups_of_any_sizes() {
    const Form form = forms()[1];
    StoredParts parts = drawn(form);
    parts[".g_idx"] = torch::tensor({2, 0, 2}, torch::kInt64).repeat({kCols / 3}).to(torch::kInt32);
    const auto read = packing(form).read(parts, kRows, kCols, form.settings, "here");
    QVERIFY(read.ok());
    const Tensor wanted = numbers(form, parts);
    QVERIFY(at::equal((*read)->dense_rows(0, kRows, torch::kFloat32), wanted));
    QVERIFY(
        at::equal(grouped_4bit::dense_by_operations(**read, 0, kRows, torch::kFloat32), wanted));
  }

  void without_groups_by_column() {
    Form form = forms()[0];
    StoredParts parts = drawn(form);
    const Tensor wanted = numbers(form, parts);
    parts.erase(".g_idx");  // as the first files were
    const auto read = packing(form).read(parts, kRows, kCols, form.settings, "here");
    QVERIFY(read.ok());
    QVERIFY(at::equal((*read)->dense_rows(0, kRows, torch::kFloat32), wanted));
  }

  void columns_that_stand_apart_need_their_groups() {
    const Form form = forms()[1];  // act-order
    StoredParts parts = drawn(form);
    parts.erase(".g_idx");
    const auto read = packing(form).read(parts, kRows, kCols, form.settings, "file: m.a.qweight");
    QVERIFY(!read.ok());
    QCOMPARE(read.error().where, std::string("file: m.a.g_idx"));
  }

  void products_are_those_of_the_dense_form() {
    const Form form = forms()[1];
    const Weight four(packing(form).read(drawn(form), kRows, kCols, form.settings, "here").take());
    const Tensor x = torch::randn({6, kCols}).set_requires_grad(true), g = torch::randn({6, kRows});
    const Tensor y = four.product(x, {});
    QVERIFY(at::allclose(y, at::linear(x, four.dense()), 1e-5, 1e-5));
    const auto got = torch::autograd::grad({(y * g).sum()}, {x});
    QVERIFY(at::allclose(got[0], g.matmul(four.dense()), 1e-5, 1e-5));
  }

  void files_may_lie() {
    for (const Form& form : {forms()[0], forms()[5]}) {
      const StoredParts parts = drawn(form);
      const auto refused = [&](const std::string& end, const Tensor& instead) {
        StoredParts changed = parts;
        if (instead.defined())
          changed[end] = instead;
        else
          changed.erase(end);
        const auto read =
            packing(form).read(changed, kRows, kCols, form.settings, "file: m.a.qweight");
        return read.ok() ? std::string() : read.error().sentence();
      };
      const auto names = [](const std::string& sentence, const char* part) {
        return sentence.find(part) != std::string::npos;
      };
      QVERIFY(refused("", parts.at("")).empty());
      QVERIFY(names(refused("", parts.at("").slice(0, 1)), "m.a.qweight"));
      QVERIFY(names(refused("", parts.at("").to(torch::kInt64)), "m.a.qweight"));
      QVERIFY(names(refused(".qzeros", parts.at(".qzeros").slice(0, 1)), "m.a.qzeros"));
      QVERIFY(names(refused(".qzeros", Tensor()), "m.a.qzeros"));
      QVERIFY(names(refused(".scales", parts.at(".scales").t()), "m.a.scales"));
      QVERIFY(names(refused(".scales", parts.at(".scales").to(torch::kInt32)), "m.a.scales"));
      QVERIFY(names(refused(".scales", parts.at(".scales") / 0.0), "finite"));
      QVERIFY(!packing(form).read(parts, kRows + 4, kCols, form.settings, "here").ok());
      QVERIFY(!packing(form).read(parts, kRows, kCols + 8, form.settings, "here").ok());
      if (is_awq(form)) continue;
      Tensor group = parts.at(".g_idx").clone();
      group[7] = 3;
      QVERIFY(names(refused(".g_idx", group), "group 3"));
      group[7] = -1;
      QVERIFY(names(refused(".g_idx", group), "m.a.g_idx"));
    }
  }

  void neither_is_written() {
    for (const Form& form : forms()) {
      const auto refused = packing(form).pack(torch::randn({8, 8}), form.settings, "a.weight");
      QVERIFY(!refused.ok() && refused.error().where == "a.weight");
    }
  }
};

QTEST_GUILESS_MAIN(TestGrouped4bit)
#include "test_grouped_4bit.moc"
