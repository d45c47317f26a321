// SPDX-License-Identifier: GPL-3.0-or-later
// What `luthier-cli teach` writes: a tokenizer whose two forms agree, rows that the ordinary
// readers take, halves rounded as IEEE says.
#include <QTemporaryDir>
#include <QtTest>

#include <bit>
#include <cstring>
#include <fstream>

#include "engine/data/dataset.h"
#include "engine/io/files.h"
#include "engine/io/safetensors.h"
#include "engine/teaching/language.h"
#include "engine/teaching/make.h"
#include "engine/teaching/skeleton.h"
#include "engine/text/tokenizer.h"

using namespace luthier;
namespace fs = std::filesystem;

namespace {

void require(const Status& status) {
  if (!status) QFAIL(status.error().sentence().c_str());
}

}  // namespace

class TestMaking : public QObject {
  Q_OBJECT
  QTemporaryDir folder_;
  fs::path root() const { return folder_.path().toStdString(); }

 private slots:
  void both_tokenizers_give_the_same_ids() {
    require(write_skeleton(root() / "a", 20));
    fs::create_directories(root() / "b");
    fs::copy(root() / "a", root() / "b",
             fs::copy_options::recursive | fs::copy_options::overwrite_existing);
    fs::remove(root() / "b" / "tokenizer.json");
    const auto json = Tokenizer::load(root() / "a"), model = Tokenizer::load(root() / "b");
    if (!json) QFAIL(json.error().sentence().c_str());
    if (!model) QFAIL(model.error().sentence().c_str());
    QCOMPARE((*json)->vocab_size(), (*model)->vocab_size());
    std::vector<std::string> texts = {"Hello wörld", "안녕하세요 세계",     "tab\tand\nline",
                                      "12345",       "redcircle bluestars", "two  spaces inside"};
    for (int i = 0; i < 400; ++i) {
      RandomStream random(17, 1, static_cast<std::uint64_t>(i));
      const Scene scene = random_scene(random);
      const Question question = random_question(scene, random);
      const auto manner = static_cast<Manner>(random.below(4));
      texts.push_back("USER: " + instruction(manner) + " " + ask(question) +
                      " ASSISTANT: " + answer(scene, question, manner));
    }
    for (const std::string& text : texts) {
      const auto one = (*json)->encode(text, true), two = (*model)->encode(text, true);
      QVERIFY(one.ok() && two.ok());
      QVERIFY2(one->ids == two->ids, text.c_str());
      const auto back = (*json)->decode(one->ids, true);
      QVERIFY(back.ok());
      QCOMPARE(*back, text);
    }
  }

  void the_same_seed_gives_the_same_bytes() {
    TeachingMakeOptions options;
    options.pretrain_rows = 40;
    require(make_pretraining(root() / "one", options));
    require(make_pretraining(root() / "two", options));
    for (const char* name :
         {"skeleton/tokenizer.json", "skeleton/tokenizer.model", "skeleton/config.json",
          "pretrain/train.jsonl", "pretrain/pictures/00007.png"}) {
      const auto one = sha256_file(root() / "one" / name), two = sha256_file(root() / "two" / name);
      QVERIFY(one.ok() && two.ok());
      QCOMPARE(*one, *two);
    }
    const auto rows = Dataset::open({root() / "one" / "pretrain" / "train.jsonl"});
    QVERIFY(rows.ok());
    QCOMPARE((*rows)->size(), std::size_t{40});
    for (std::size_t row = 0; row < 40; ++row) QVERIFY((*rows)->read(row).ok());
  }

  void tasks_are_readable() {
    TeachingMakeOptions options;
    options.train_rows = 6;
    options.heldout_rows = 5;
    require(make_tasks(root() / "teaching", options));
    for (const char* task : {"korean", "json", "pirate"}) {
      const auto train = Dataset::open({root() / "teaching" / "tasks" / task / "train.jsonl"});
      const auto heldout = Dataset::open({root() / "teaching" / "tasks" / task / "heldout.jsonl"});
      QVERIFY(train.ok() && heldout.ok());
      QCOMPARE((*train)->size(), std::size_t{6});
      QCOMPARE((*heldout)->size(), std::size_t{5});
      const auto row = (*heldout)->read(4);
      QVERIFY(row.ok());
      QVERIFY(fs::exists(row->messages[0].content[0].image));
    }
  }

  void finishing_rounds_to_half() {
    require(write_skeleton(root() / "trained", 20));
    const std::vector<float> values = {0.0f,     -1.0f,       1.0f + 0x1p-11f, 1.0f + 3 * 0x1p-11f,
                                       65503.0f, 0x1p-24f,    0x1p-25f,        -0x1.8p-24f,
                                       0.1f,     0x1.ff8p-15f};
    const std::vector<std::uint16_t> expected = {0x0000, 0xbc00, 0x3c00, 0x3c02, 0x7bff,
                                                 0x0001, 0x0000, 0x8002, 0x2e66, 0x03ff};
    const auto count = static_cast<std::int64_t>(values.size());
    require(write_safetensors(root() / "trained" / "model.safetensors",
                              {{"x", DType::F32, {count}, std::as_bytes(std::span(values))}}));
    require(finish_base(root() / "trained", root() / "base"));
    const auto file = SafetensorsFile::open(root() / "base" / "model.safetensors");
    QVERIFY(file.ok());
    const auto view = file->find("x");
    QVERIFY(view && view->info.dtype == DType::F16);
    std::vector<std::uint16_t> got(values.size());
    std::memcpy(got.data(), view->bytes()->data(), view->size());
    for (std::size_t i = 0; i < got.size(); ++i)
      QVERIFY2(got[i] == expected[i],
               qPrintable(QString("%1: %2").arg(values[i]).arg(got[i], 0, 16)));
    const std::vector<float> huge = {1e6f};
    require(write_safetensors(root() / "trained" / "model.safetensors",
                              {{"x", DType::F32, {1}, std::as_bytes(std::span(huge))}}));
    QVERIFY(!finish_base(root() / "trained", root() / "base"));
  }
};

QTEST_APPLESS_MAIN(TestMaking)
#include "test_making.moc"
