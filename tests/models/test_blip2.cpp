// SPDX-License-Identifier: GPL-3.0-or-later
// What parity cannot see of BLIP-2 and InstructBLIP: refusals of configurations and processors that
// do not hold together, what a question's text carries, instructions of several pictures together
// as alone, what queries and the tokens of a text see of one another.
#include "engine/data/asked_question.h"
#include "engine/models/blip2/blip2_model.h"
#include "engine/models/blip2/blip2_retriever.h"
#include "engine/models/families.h"

// After LibTorch's headers, which have members that Qt's macros are named like.
#include <QTemporaryDir>
#include <QtTest>

#include "tests/models/family_files.h"

using namespace luthier;
using namespace luthier::test;
using torch::Tensor;

namespace {

Json blip2(const Json& patch = Json::object()) {
  return merged(*read_json_file(files_of(blip_2_family) / "config.json"), patch);
}

Json retrieval() {
  return {{"architectures", {"Blip2ForImageTextRetrieval"}},
          {"qformer_config", {{"use_qformer_text_input", true}}}};
}

QFormerOptions instructed() {
  QFormerOptions o;
  o.vocab_size = 20, o.hidden_size = 12, o.intermediate_size = 16;
  o.num_hidden_layers = 3, o.num_attention_heads = 2, o.encoder_hidden_size = 10;
  o.queries = 3, o.max_position_embeddings = 9;
  o.reads_text = o.own_words = true;
  return o;
}

}  // namespace

class TestBlip2 : public QObject {
  Q_OBJECT

 private slots:
  void refusals_data() {
    QTest::addColumn<QString>("patch");
    QTest::addColumn<QString>("field");
    const auto add = [](const char* patch, const char* field) {
      QTest::newRow(patch) << patch << field;
    };
    add(R"({"image_token_index": null})", "image_token_index");
    add(R"({"image_token_index": 4000})", "image_token_index");
    add(R"({"num_query_tokens": 0})", "num_query_tokens");
    add(R"({"text_config": {"model_type": "bert"}})", "text_config: model_type");
    add(R"({"text_config": {"do_layer_norm_before": false}})", "text_config: do_layer_norm_before");
    add(R"({"qformer_config": {"cross_attention_frequency": 0}})",
        "qformer_config: cross_attention_frequency");
    add(R"({"qformer_config": {"num_attention_heads": 7}})", "qformer_config: num_attention_heads");
    add(R"({"qformer_config": {"position_embedding_type": "relative_key"}})",
        "qformer_config: position_embedding_type");
    add(R"({"vision_config": {"model_type": "clip_vision_model"}})", "vision_config: model_type");
    add(R"({"vision_config": {"image_size": [32, 40]}})", "vision_config: image_size");
  }
  void refusals() {
    QFETCH(QString, patch);
    QFETCH(QString, field);
    const auto options =
        read_blip2_options(blip2(Json::parse(patch.toStdString())), "config.json", false);
    QVERIFY(!options.ok());
    QCOMPARE(QString::fromStdString(options.error().where), "config.json: " + field);
  }

  void processors_of_other_models() {
    QTemporaryDir scratch;
    const std::filesystem::path folder = scratch.path().toStdString();
    write_changed(blip_2_family, folder / "size", "processor_config.json",
                  {{"image_processor", {{"size", {{"height", 40}, {"width", 32}}}}}});
    QVERIFY(!tokens_of(blip_2_family, folder / "size").ok());
    write_changed(blip_2_family, folder / "count", "processor_config.json",
                  {{"num_query_tokens", 6}});
    const auto tokens = tokens_of(blip_2_family, folder / "count");
    QVERIFY(!tokens.ok());
    QVERIFY(tokens.error().where.ends_with("num_query_tokens"));
  }

  void what_stands_behind_a_question() {
    const AskedQuestion asked{std::string("What, \0 1,2?", 12), 7, {4, 90000, 0}};
    const auto read = read_asked(written(asked));
    QVERIFY(read.ok());
    QCOMPARE(read->text, asked.text);
    QCOMPARE(read->end, asked.end);
    QCOMPARE(read->beside, asked.beside);
    QCOMPARE(read_asked(written({"", -1, {}}))->end, TokenId{-1});
    for (const char* wrong : {"a", "a\1"}) QVERIFY(!read_asked(wrong).ok());
    QVERIFY(!read_asked(std::string("a\0b", 3)).ok());
    QVERIFY(!read_asked(std::string("a\0", 2)).ok());
  }

  /// Two pictures with instructions of several lengths, and either alone.
  void instructions_together_as_alone() {
    const torch::NoGradGuard no_grad;
    torch::manual_seed(4);
    const QFormerOptions o = instructed();
    const QFormer qformer(o, torch::TensorOptions());
    for (auto& parameter : qformer.parameters()) parameter.normal_(0, 0.4);
    const Tensor queries = torch::randn({1, o.queries, o.hidden_size}),
                 pictures = torch::randn({2 * 5, o.encoder_hidden_size}),
                 ids = torch::tensor({3, 4, 5, 6, 7, 8}, torch::kInt64);
    const auto made = [&](std::int64_t first, std::int64_t count, std::int64_t from,
                          const std::vector<std::int64_t>& lengths) {
      std::int64_t tokens = 0;
      for (const std::int64_t length : lengths) tokens += length;
      return qformer.forward(queries, pictures.slice(0, 5 * first, 5 * (first + count)), count,
                             {ids.slice(0, from, from + tokens), lengths},
                             qformer_places(o.queries, lengths));
    };
    const Tensor both = made(0, 2, 0, {2, 4});
    QCOMPARE(both.size(0), 2 * o.queries);
    QVERIFY(at::allclose(both.slice(0, 0, o.queries), made(0, 1, 0, {2}), 1e-4, 1e-5));
    QVERIFY(at::allclose(both.slice(0, o.queries), made(1, 1, 2, {4}), 1e-4, 1e-5));
    QVERIFY_THROWS_EXCEPTION(c10::Error, made(0, 1, 0, {10}));
  }

  void retrieval_refusals_data() {
    QTest::addColumn<QString>("patch");
    QTest::addColumn<QString>("field");
    const auto add = [](const char* patch, const char* field) {
      QTest::newRow(patch) << patch << field;
    };
    add(R"({"qformer_config": {"use_qformer_text_input": false}})",
        "qformer_config: use_qformer_text_input");
    add(R"({"qformer_config": {"bos_token_id": 900000}})", "qformer_config: bos_token_id");
    add(R"({"image_text_hidden_size": 0})", "image_text_hidden_size");
    add(R"({"logit_scale_init_value": 90})", "logit_scale_init_value");
    add(R"({"pretraining_head": 1})", "pretraining_head");
  }
  void retrieval_refusals() {
    QFETCH(QString, patch);
    QFETCH(QString, field);
    Json config = blip2(retrieval());
    QVERIFY(is_blip2_retrieval(config));
    QVERIFY(read_blip2_retrieval_options(config, "config.json").ok());
    const auto options = read_blip2_retrieval_options(
        merged(config, Json::parse(patch.toStdString())), "config.json");
    QVERIFY(!options.ok());
    QCOMPARE(QString::fromStdString(options.error().where), "config.json: " + field);
  }

  /// A token that is written sees the queries and what stands before it, and no query sees a token;
  /// of texts that are matched either sees the other.
  void what_queries_and_tokens_see() {
    const torch::NoGradGuard no_grad;
    torch::manual_seed(6);
    const QFormerOptions o = instructed();
    const QFormer qformer(o, torch::TensorOptions());
    for (auto& parameter : qformer.parameters()) parameter.normal_(0, 0.4);
    const Tensor queries = torch::randn({1, o.queries, o.hidden_size}),
                 pictures = torch::randn({2 * 5, o.encoder_hidden_size}),
                 words = torch::randn({6, o.hidden_size});
    const std::vector<std::int64_t> lengths{2, 4};
    const QFormerPlaces places = qformer_places(o.queries, lengths);
    const auto made = [&](const Tensor& given, const Tensor& asked, bool written) {
      QFormerTexts texts{{}, lengths, given, written};
      const Tensor states = qformer.together(asked, pictures, 2, texts, places);
      return std::pair(states.index_select(0, places.queries),
                       states.index_select(0, places.texts));
    };
    const auto alike = [](const Tensor& one, const Tensor& other) {
      return at::allclose(one, other, 1e-4, 1e-5);
    };
    Tensor last = words.clone();
    last[4] = torch::randn({o.hidden_size});  // the second row's third token
    const auto before = made(words, queries, true), after = made(last, queries, true);
    QVERIFY(alike(before.first, after.first));
    QVERIFY(alike(before.first, qformer.forward(queries, pictures, 2)));
    QVERIFY(alike(before.second.slice(0, 0, 4), after.second.slice(0, 0, 4)));
    QVERIFY(!alike(before.second[4], after.second[4]));
    QVERIFY(!alike(before.second[5], after.second[5]));
    QVERIFY(!alike(before.second, made(words, torch::randn_like(queries), true).second));
    const auto matched = made(words, queries, false), other = made(last, queries, false);
    QVERIFY(alike(matched.first.slice(0, 0, o.queries), other.first.slice(0, 0, o.queries)));
    QVERIFY(!alike(matched.first.slice(0, o.queries), other.first.slice(0, o.queries)));
    QVERIFY(!alike(matched.second[2], other.second[2]));
    // Alone it sees neither queries nor picture, and its own row both ways.
    const Tensor read = qformer.read(words, RowLayout(lengths)),
                 again = qformer.read(last, RowLayout(lengths));
    QVERIFY(alike(read.slice(0, 0, 2), again.slice(0, 0, 2)));
    QVERIFY(!alike(read[2], again[2]));
  }
};

QTEST_GUILESS_MAIN(TestBlip2)
#include "test_blip2.moc"
