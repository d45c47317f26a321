// SPDX-License-Identifier: GPL-3.0-or-later
// PEFT's matching on plain names: what is written means the wrapped modules among all that
// transformers has, and a name, pattern or key that means nothing is refused with what it may have
// been meant for.
#include <algorithm>

#include "engine/config/recipe.h"
#include "engine/methods/lora_settings.h"

#include <QtTest>  // after LibTorch: its keyword `slots` is a name there

using namespace luthier;

namespace {

/// The modules of a Qwen-VL checkpoint with two layers each; the tensorless ones are left to
/// all_modules.
std::vector<ModelModule> qwen(bool newer) {
  std::vector<ModelModule> modules{{"model.visual.patch_embed.proj", "Conv3d"}};
  if (newer) modules.push_back({"model.visual.pos_embed", "Embedding"});
  for (const char* layer : {"0", "1"}) {
    const std::string block = std::string("model.visual.blocks.") + layer;
    modules.push_back({block + ".norm1", "LayerNorm"});
    for (const char* name : {".attn.qkv", ".attn.proj"})
      modules.push_back({block + name, "Linear"});
    for (const char* name : {"fc1", "fc2"})
      modules.push_back({block + ".mlp." + (newer ? "linear_" : "") + name, "Linear"});
  }
  modules.push_back({"model.visual.merger.ln_q", "LayerNorm"});
  for (const char* name : {"0", "2"}) {
    if (!newer) modules.push_back({std::string("model.visual.merger.mlp.") + name, "Linear"});
  }
  for (const char* name : {"linear_fc1", "linear_fc2"}) {
    if (!newer) break;
    modules.push_back({std::string("model.visual.merger.") + name, "Linear"});
    modules.push_back({std::string("model.visual.deepstack_merger_list.0.") + name, "Linear"});
  }
  modules.push_back({"model.language_model.embed_tokens", "Embedding"});
  for (const char* layer : {"0", "1"}) {
    const std::string name = std::string("model.language_model.layers.") + layer;
    for (const char* linear : {"q_proj", "k_proj", "v_proj", "o_proj"})
      modules.push_back({name + ".self_attn." + linear, "Linear"});
    for (const char* linear : {"gate_proj", "up_proj", "down_proj"})
      modules.push_back({name + ".mlp." + linear, "Linear"});
    modules.push_back({name + ".input_layernorm", "RMSNorm"});
  }
  modules.push_back({"lm_head", "Linear"});
  return all_modules(std::move(modules));
}

AdapterSettings settings(const std::vector<std::string>& overrides = {}) {
  std::vector<std::string> all{"model=m", "dataset=d", "output_dir=o"};
  all.insert(all.end(), overrides.begin(), overrides.end());
  auto recipe = parse_recipe("", "test", all);
  if (!recipe) qFatal("%s", recipe.error().sentence().c_str());
  return recipe->adapter;
}

/// PEFT's check_target_module_exists for a list, without this program's code.
bool found_by_peft(const std::string& name, const std::vector<std::string>& keys) {
  return std::any_of(keys.begin(), keys.end(), [&](const std::string& key) {
    return name == key || name.ends_with("." + key);
  });
}

std::set<std::string> names_of(const ModuleSelection& selection) {
  std::set<std::string> names;
  for (const WrappedModule& module : selection.wrapped) names.insert(module.name);
  return names;
}

QByteArray joined(const std::vector<std::string>& names) {
  QByteArray text;
  for (const std::string& name : names)
    text += QByteArray::fromStdString((text.isEmpty() ? "" : " ") + name);
  return text;
}

}  // namespace

class TestModuleSelection : public QObject {
  Q_OBJECT

 private slots:
  void written_names_data() {
    QTest::addColumn<bool>("newer");
    QTest::addColumn<QStringList>("overrides");
    QTest::addColumn<QByteArray>("written");
    QTest::newRow("qwen2_vl") << false << QStringList{}
                              << QByteArray(
                                     "attn.proj down_proj fc1 fc2 gate_proj k_proj mlp.0 mlp.2 "
                                     "o_proj q_proj qkv up_proj v_proj");
    QTest::newRow("qwen3_vl") << true << QStringList{}
                              << QByteArray(
                                     "attn.proj down_proj gate_proj k_proj linear_fc1 linear_fc2 "
                                     "o_proj q_proj qkv up_proj v_proj");
    QTest::newRow("without the tower")
        << false << QStringList{"adapter.exclude_modules=.*visual.*"}
        << QByteArray("down_proj gate_proj k_proj o_proj q_proj up_proj v_proj");
    QTest::newRow("a name left out")
        << true << QStringList{"adapter.exclude_modules=[patch_embed.proj]"}
        << QByteArray(
               "down_proj gate_proj k_proj linear_fc1 linear_fc2 o_proj proj q_proj qkv up_proj "
               "v_proj");
    QTest::newRow("a part saved whole")
        << true << QStringList{"adapter.modules_to_save=patch_embed"}
        << QByteArray(
               "down_proj gate_proj k_proj linear_fc1 linear_fc2 o_proj proj q_proj qkv up_proj "
               "v_proj");
    QTest::newRow("as they were named")
        << false << QStringList{"adapter.target_modules=[q_proj, blocks.0.attn.proj]"}
        << QByteArray("q_proj blocks.0.attn.proj");
  }
  void written_names() {
    QFETCH(bool, newer);
    QFETCH(QStringList, overrides);
    QFETCH(QByteArray, written);
    std::vector<std::string> all;
    for (const QString& each : overrides) all.push_back(each.toStdString());
    const std::vector<ModelModule> modules = qwen(newer);
    const AdapterSettings asked = settings(all);
    const auto selection =
        select_modules(modules, head_of(modules), asked, lora_method().of_modules->wrapping);
    QVERIFY2(selection, selection ? "" : selection.error().sentence().c_str());
    const AdapterSettings got = settings_to_write(asked, modules, *selection);
    QCOMPARE(joined(got.target_modules.names), written);
    QVERIFY(got.target_modules.kind == ModuleSelector::Kind::Names);
    if (overrides.isEmpty()) {
      const auto chosen = names_of(*selection);
      for (const ModelModule& module : modules) {
        QVERIFY2(
            found_by_peft(module.name, got.target_modules.names) == chosen.contains(module.name),
            module.name.c_str());
      }
      QVERIFY(!chosen.contains("lm_head"));
    }
  }

  void a_pattern_stays_one() {
    const std::vector<ModelModule> modules = qwen(true);
    const AdapterSettings asked = settings(
        {"adapter.target_modules=.*language_model\\.layers\\.\\d+\\.self_attn\\.[qv]_proj"});
    const auto selection =
        select_modules(modules, "lm_head", asked, lora_method().of_modules->wrapping);
    QVERIFY(selection);
    QCOMPARE(selection->wrapped.size(), std::size_t{4});
    const AdapterSettings got = settings_to_write(asked, modules, *selection);
    QVERIFY(got.target_modules.kind == ModuleSelector::Kind::Regex);
    QCOMPARE(got.target_modules.regex, asked.target_modules.regex);
  }

  /// A tower whose modules end as the decoder's do: a pattern, where each layer would be named.
  void layers_of_which_a_tower_has_the_like() {
    std::vector<ModelModule> modules;
    for (int layer = 0; layer < 30; ++layer) {
      const std::string place = ".layers." + std::to_string(layer) + ".q_proj";
      modules.push_back({"model.language_model" + place, "Linear"});
      modules.push_back({"model.vision_tower" + place, "ClippableLinear"});
      modules.push_back({"model.vision_tower" + place + ".linear", "Linear"});
    }
    modules = all_modules(std::move(modules));
    const AdapterSettings asked = settings({});
    const auto selection =
        select_modules(modules, "lm_head", asked, lora_method().of_modules->wrapping);
    QVERIFY(selection);
    QCOMPARE(selection->wrapped.size(), std::size_t{60});
    const AdapterSettings got = settings_to_write(asked, modules, *selection);
    QCOMPARE(got.target_modules.regex,
             std::string("model\\.language_model\\.layers\\.\\d+\\.q_proj|"
                         "model\\.vision_tower\\.layers\\.\\d+\\.q_proj\\.linear"));
    const auto named =
        select_modules(modules, "lm_head", settings({"adapter.target_modules=[q_proj]"}),
                       lora_method().of_modules->wrapping);
    QVERIFY(!named);
    const std::string said = named.error().sentence();
    QVERIFY2(said.find("layers.0.q_proj.linear") != std::string::npos, said.c_str());
  }

  /// What a folder of an older release or with layer numbers holds: the tensors say more than its
  /// settings.
  void what_settings_do_not_say_is_named() {
    const std::vector<ModelModule> modules = qwen(false);
    AdapterSettings old =
        settings({"adapter.target_modules=^model\\.layers\\.\\d+\\.self_attn\\.q_proj$"});
    old.rank_pattern = {{"model.layers.1.self_attn.q_proj", 4}};
    ModuleSelection selection;
    selection.wrapped = {{"model.language_model.layers.0.self_attn.q_proj", {16, 32, 2}},
                         {"model.language_model.layers.1.self_attn.q_proj", {4, 32, 8}}};
    AdapterSettings got = settings_to_write(old, modules, selection);
    QCOMPARE(joined(got.target_modules.names), QByteArray("q_proj"));
    QCOMPARE(got.rank_pattern.size(), std::size_t{1});
    QCOMPARE(got.rank_pattern.front().first, std::string("1\\.self_attn\\.q_proj"));
    QCOMPARE(got.rank_pattern.front().second, std::int64_t{4});
    QVERIFY(got.alpha_pattern.empty());
    selection.wrapped.erase(selection.wrapped.begin());
    got = settings_to_write(settings({"adapter.target_modules=[q_proj]"}), modules, selection);
    QCOMPARE(joined(got.target_modules.names), QByteArray("1.self_attn.q_proj"));
  }

  void bare_ends_of_saved_names() {
    std::vector<ModelModule> modules{
        {"model.tower.head", "Linear"}, {"model.layers.0.q_proj", "Linear"}, {"lm_head", "Linear"}};
    modules = all_modules(std::move(modules));
    const AdapterSettings asked = settings({"adapter.modules_to_save=head"});
    const auto selection =
        select_modules(modules, "lm_head", asked, lora_method().of_modules->wrapping);
    QVERIFY(selection);
    // PEFT finds lm_head by "head" too
    QCOMPARE(selection->saved, (std::vector<std::string>{"model.tower.head", "lm_head"}));
    QCOMPARE(settings_to_write(asked, modules, *selection).modules_to_save,
             std::vector<std::string>{"head"});
    const auto both = select_modules(
        modules, "lm_head",
        settings({"adapter.modules_to_save=proj", "adapter.target_modules=[q_proj]"}),
        lora_method().of_modules->wrapping);
    QVERIFY(!both && both.error().where == "adapter.modules_to_save");
    QVERIFY(select_modules(
        modules, "lm_head",
        settings({"adapter.modules_to_save=tower", "adapter.target_modules=[q_proj, head]"}),
        lora_method().of_modules->wrapping));
  }

  void refused_data() {
    QTest::addColumn<QStringList>("overrides");
    QTest::addColumn<QString>("field");
    QTest::addColumn<QStringList>("words");
    const auto row = [](const char* name, const QString& set, const QString& field,
                        const QStringList& words) {
      QTest::newRow(name) << QStringList{set} << field << words;
    };
    const QString target = "adapter.target_modules", exclude = "adapter.exclude_modules",
                  rank = "adapter.rank_pattern", alpha = "adapter.alpha_pattern",
                  save = "adapter.modules_to_save";
    row("a name", "adapter.target_modules=[q_porj]", target, {"q_porj", "q_proj"});
    row("one of two names", "adapter.target_modules=[q_proj, v_porj]", target,
        {"v_porj", "v_proj"});
    row("a longer name", "adapter.target_modules=[layers.7.self_attn.q_proj]", target,
        {"layers.7.self_attn.q_proj", "layers.0.self_attn.q_proj"});
    row("a pattern", "adapter.target_modules=.*langage_model.*q_proj", target,
        {".*langage_model.*q_proj", "langage_model", "language_model"});
    row("a pattern that is no whole name", "adapter.target_modules=language_model\\.q_proj", target,
        {"language_model\\.q_proj"});
    row("malformed", "adapter.target_modules=.*(q_proj", target, {"malformed", ".*(q_proj"});
    row("a glob", "adapter.target_modules=*.q_proj", target, {"malformed", "*.q_proj"});
    row("two stars", "adapter.target_modules=model.**.q_proj", target,
        {"malformed", "model.**.q_proj"});
    row("a norm", "adapter.target_modules=[q_proj, norm1]", target,
        {"model.visual.blocks.0.norm1", "LayerNorm"});
    row("a whole layer", "adapter.target_modules=[q_proj, mlp]", target,
        {"mlp", "no weight of its own"});
    row("all within a part", "adapter.target_modules=.*language_model.*", target,
        {"model.language_model"});
    row("an activation", "adapter.target_modules=.*layers\\.\\d+\\.mlp\\..*", target, {"act_fn"});
    row("excluded name", "adapter.exclude_modules=[fc3]", exclude, {"fc3", "fc1"});
    row("excluded part", "adapter.exclude_modules=[visual]", exclude,
        {"visual", "(.*\\.)?visual\\..*"});
    row("excluded pattern", "adapter.exclude_modules=.*vision_tower.*", exclude,
        {".*vision_tower.*"});
    row("malformed exclusion", "adapter.exclude_modules=.*[visual", exclude, {"malformed"});
    row("all excluded", "adapter.exclude_modules=model\\..*", exclude, {"leave none"});
    row("rank", "adapter.rank_pattern={q_porj: 4}", rank, {"q_porj", "q_proj"});
    row("one of two ranks", "adapter.rank_pattern={q_proj: 4, v_porj: 4}", rank,
        {"v_porj", "v_proj"});
    row("malformed rank", "adapter.rank_pattern={'q_proj(': 4}", rank, {"malformed", "q_proj("});
    row("rank of what has no adapter", "adapter.rank_pattern={lm_head: 4}", rank,
        {"lm_head", "no adapter"});
    row("a rank that comes too late", "adapter.rank_pattern={q_proj: 4, '0.self_attn.q_proj': 8}",
        rank, {"0.self_attn.q_proj", "stands before it"});
    row("alpha", "adapter.alpha_pattern={.*langage_model.*: 4}", alpha,
        {"langage_model", "language_model"});
    row("malformed alpha", "adapter.alpha_pattern={'+': 4}", alpha, {"malformed"});
    row("saved", "adapter.modules_to_save=lm_haed", save, {"lm_haed", "lm_head"});
    row("one of two saved", "adapter.modules_to_save=lm_head merge", save, {"merge", "merger"});
  }
  void refused() {
    QFETCH(QStringList, overrides);
    QFETCH(QString, field);
    QFETCH(QStringList, words);
    const std::vector<ModelModule> modules = qwen(false);
    const auto selection =
        select_modules(modules, head_of(modules), settings({overrides.first().toStdString()}),
                       lora_method().of_modules->wrapping);
    QVERIFY(!selection);
    QCOMPARE(selection.error().exit_status(), 2);
    QCOMPARE(QString::fromStdString(selection.error().where), field);
    const QString sentence = QString::fromStdString(selection.error().sentence());
    for (const QString& word : words) QVERIFY2(sentence.contains(word), qPrintable(sentence));
  }

  void accepted_data() {
    QTest::addColumn<QString>("override");
    QTest::addColumn<int>("wrapped");
    QTest::newRow("the narrower first")
        << "adapter.rank_pattern={'0.self_attn.q_proj': 8, q_proj: 4}" << 24;
    QTest::newRow("an exclusion that nothing was chosen of")
        << "adapter.exclude_modules=[lm_head]" << 24;
    QTest::newRow("a part left out") << "adapter.exclude_modules=(.*\\.)?visual\\..*" << 14;
    QTest::newRow("groups") << "adapter.target_modules=.*\\.(?P<kind>q|v)_proj" << 4;
    QTest::newRow("the embedding") << "adapter.target_modules=[embed_tokens, q_proj]" << 3;
  }
  void accepted() {
    QFETCH(QString, override);
    QFETCH(int, wrapped);
    const std::vector<ModelModule> modules = qwen(false);
    const auto selection =
        select_modules(modules, head_of(modules), settings({override.toStdString()}),
                       lora_method().of_modules->wrapping);
    QVERIFY2(selection, selection ? "" : selection.error().sentence().c_str());
    QCOMPARE(static_cast<int>(selection->wrapped.size()), wrapped);
  }
};

QTEST_GUILESS_MAIN(TestModuleSelection)
#include "test_module_selection.moc"
