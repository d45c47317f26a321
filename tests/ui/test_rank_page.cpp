// SPDX-License-Identifier: GPL-3.0-or-later
// The Ranks page: what stands where in the heat map, ranks as they are typed, recipes at several
// ranks, and the page over real adapters: tables, curves and cells that go together, runs queued by
// one click that come into the page when they end, and the checkpoint of the run that trains.
#include "engine/session/headless.h"
#include "tests/ui/driver.h"
#include "ui/ranks/heat_map.h"
#include "ui/ranks/rank_page.h"
#include "ui/ranks/several_ranks.h"
#include "ui/run_queue.h"
#include "ui/train/curve_plot.h"

using namespace luthier;
using luthier::test::Desk;
using luthier::test::Person;

class TestRankPage : public QObject {
  Q_OBJECT

 private slots:
  void initTestCase();
  void layers_down_and_modules_across();
  void ranks_as_they_are_typed();
  void recipes_at_several_ranks();
  void adapters_beside_one_another();
  void a_cell_chooses_its_module();
  void what_has_no_pairs_is_said();
  void several_ranks_from_one_click();
  void modules_are_sorted_by_a_heading();
  void runs_that_fail_or_are_stopped();
  void an_adapter_that_is_gone_is_said();
  void the_run_that_trains();
  void cleanupTestCase();

 private:
  RankPage* page() { return static_cast<RankPage*>(window_->page(PageId::Ranks)); }
  QLabel* banner() { return page()->findChild<QLabel*>("bannerText"); }
  Recipe recipe(const QString& name) {
    Recipe recipe = teaching_recipe(*teaching_task("korean"), to_path(desk_.run(name))).value();
    recipe.dataset = {
        luthier::test::few_rows(desk_, "korean", 12, QStringLiteral("few.jsonl")).toStdString()};
    recipe.eval_dataset.clear();
    recipe.training.max_steps = 2;
    return recipe;
  }
  QString text(const char* table, int row, int column) {
    return person_->find<QTableWidget>(QLatin1String(table))->item(row, column)->text();
  }

  Desk desk_;
  std::unique_ptr<MainWindow> window_;
  std::unique_ptr<Person> person_;
};

void TestRankPage::initTestCase() {
  for (const int rank : {4, 6}) {
    Recipe small = recipe(QStringLiteral("r%1").arg(rank));
    small.adapter.r = rank;
    QVERIFY(train_headless(small, {}, {}, {}).ok());
  }
  window_ = std::make_unique<MainWindow>();
  window_->resize(1280, 800);
  window_->show();
  QVERIFY(luthier::test::wait_for_window(window_.get()));
  person_ = std::make_unique<Person>(*window_);
  window_->show_page(PageId::Ranks);
}

void TestRankPage::layers_down_and_modules_across() {
  AdapterRanks ranks;
  for (const char* name : {"model.language_model.layers.0.self_attn.q_proj",
                           "model.language_model.layers.0.mlp.up_proj",
                           "model.language_model.layers.1.self_attn.q_proj",
                           "model.vision_tower.encoder.layers.0.self_attn.q_proj",
                           "model.multi_modal_projector.linear_1"}) {
    ModuleRanks module;
    module.name = name;
    ranks.modules.push_back(module);
  }
  const HeatGrid grid = heat_grid(ranks);
  QCOMPARE(grid.rows, (QStringList{"language_model 0", "language_model 1", "vision_tower 0",
                                   "multi_modal_projector"}));
  QCOMPARE(grid.columns, (QStringList{"q_proj", "up_proj", "linear_1"}));
  QCOMPARE(grid.modules[0], (std::vector<std::size_t>{0, 1, HeatGrid::kNone}));
  QCOMPARE(grid.modules[1][0], std::size_t(2));
  QCOMPARE(grid.modules[2][0], std::size_t(3));
  QCOMPARE(grid.modules[3][2], std::size_t(4));
  QCOMPARE(short_module_name(ranks.modules[1].name), QStringLiteral("language_model 0 · up_proj"));
  AdapterRanks two_attentions;
  for (const char* name :
       {"decoder.block.0.layer.0.SelfAttention.q", "decoder.block.0.layer.1.EncDecAttention.q"}) {
    ModuleRanks module;
    module.name = name;
    two_attentions.modules.push_back(module);
  }
  const HeatGrid both = heat_grid(two_attentions);
  QCOMPARE(both.columns, (QStringList{"q", "EncDecAttention.q"}));
  QCOMPARE(both.modules.front(), (std::vector<std::size_t>{0, 1}));
  HeatMap map;
  map.resize(400, 300);
  for (std::size_t i = 0; i < 5; ++i) ranks.modules[i].norm = static_cast<double>(i);
  map.set_ranks(std::make_shared<const AdapterRanks>(ranks));
  QSignalSpy chosen(&map, &HeatMap::chosen);
  QTest::mouseClick(&map, Qt::LeftButton, {}, map.cell_of(2).center());
  QCOMPARE(chosen.size(), 1);
  QCOMPARE(chosen.first().first().value<std::size_t>(), std::size_t(2));
  const QImage picture = map.grab().toImage();
  const auto shade = [&](std::size_t module) {
    const QRect cell = map.cell_of(module);
    return picture.pixelColor(cell.left() + 3, cell.bottom() - 3);
  };
  QVERIFY(shade(4).lightness() < shade(1).lightness());  // more is deeper
}

void TestRankPage::ranks_as_they_are_typed() {
  QCOMPARE(*ranks_of_text(" 4, 8;16 32,8 "), (std::vector<std::int64_t>{4, 8, 16, 32}));
  for (const char* wrong : {"", " , ", "4, x", "0", "-2", "4.5"})
    QVERIFY2(!ranks_of_text(QLatin1String(wrong)).ok(), wrong);
  QStringList many;
  for (int i = 1; i < 40; ++i) many << QString::number(i);
  QVERIFY(!ranks_of_text(many.join(QLatin1Char(','))).ok());
}

void TestRankPage::recipes_at_several_ranks() {
  Recipe base = recipe(QStringLiteral("sweep"));
  base.adapter.r = 16;
  base.adapter.lora_alpha = 32;
  const auto kept = recipes_at_ranks(base, {4, 64}, AlphaRule::KeepRatio);
  QVERIFY(kept.ok());
  QCOMPARE((*kept)[0].recipe.adapter.r, std::int64_t(4));
  QCOMPARE((*kept)[0].recipe.adapter.lora_alpha, 8.0);
  QCOMPARE((*kept)[1].recipe.adapter.lora_alpha, 128.0);
  QCOMPARE((*kept)[1].recipe.output_dir, base.output_dir + "-r64");
  QCOMPARE((*recipes_at_ranks(base, {4}, AlphaRule::KeepAlpha))[0].recipe.adapter.lora_alpha, 32.0);
  Recipe other = default_recipe(Recipe());
  QVERIFY(set_field(other, "strategy", "ia3"));
  QVERIFY(!recipes_at_ranks(other, {4}, AlphaRule::KeepRatio).ok());
}

void TestRankPage::adapters_beside_one_another() {
  page()->add_adapter(desk_.run("r4"));
  page()->add_adapter(desk_.run("r6"));
  auto* adapters = person_->find<QTableWidget>("rankAdapters");
  WAIT_UNTIL(adapters->rowCount() == 2 && text("rankAdapters", 0, 1) == QStringLiteral("4") &&
             text("rankAdapters", 1, 1) == QStringLiteral("6"));
  page()->add_adapter(desk_.run("r4"));  // it stands there already
  QCOMPARE(adapters->rowCount(), 2);
  adapters->setCurrentCell(0, 0);
  auto* modules = person_->find<QTableWidget>("rankModules");
  QVERIFY(modules->rowCount() > 4);
  QCOMPARE(text("rankModules", 0, 1), QStringLiteral("4"));
  const double effective = text("rankModules", 0, 2).toDouble();
  QVERIFY(effective > 1 && effective <= 4);
  adapters->setCurrentCell(1, 0);
  QCOMPARE(text("rankModules", 0, 1), QStringLiteral("6"));
  // The chosen module of both, before all modules of the chosen adapter.
  auto* plot = person_->find<CurvePlot>("spectrum");
  QCOMPARE(plot->plot()->graphCount(), modules->rowCount() + 2);
  const auto* last = plot->plot()->graph(plot->plot()->graphCount() - 1);
  QCOMPARE(last->dataCount(), 6);
  QVERIFY(last->dataMainValue(0) > last->dataMainValue(5));
  QCOMPARE(plot->readings_at(1).size(), std::size_t(2));
}

void TestRankPage::a_cell_chooses_its_module() {
  auto* modules = person_->find<QTableWidget>("rankModules");
  auto* map = person_->find<HeatMap>("heatMap");
  const std::size_t wanted = static_cast<std::size_t>(modules->rowCount()) - 1;
  QTest::mouseClick(map, Qt::LeftButton, {}, map->cell_of(wanted).center());
  QCOMPARE(modules->currentRow(), static_cast<int>(wanted));
  map->setFocus();
  QTest::keyClick(map, Qt::Key_Up);
  QVERIFY(modules->currentRow() != static_cast<int>(wanted));
  const QString chosen = modules->item(modules->currentRow(), 0)->text();
  person_->find<QTableWidget>("rankAdapters")->setCurrentCell(0, 0);  // the module stays
  QCOMPARE(modules->item(modules->currentRow(), 0)->text(), chosen);
  person_->find<QComboBox>("heatShown")->setCurrentIndex(1);
  person_->find<QCheckBox>("spectrumLog")->setChecked(true);
  QVERIFY(person_->find<CurvePlot>("spectrum")->has_data());
}

void TestRankPage::what_has_no_pairs_is_said() {
  const int before = person_->find<QTableWidget>("rankAdapters")->rowCount();
  page()->add_adapter(path_text(*teaching_base()));
  WAIT_UNTIL(banner()->isVisible() && banner()->text().contains(QStringLiteral("checkpoint")));
  WAIT_UNTIL_EQUAL(person_->find<QTableWidget>("rankAdapters")->rowCount(), before);
  QVERIFY(person_->click("dropRanks_1"));
  WAIT_UNTIL_EQUAL(person_->find<QTableWidget>("rankAdapters")->rowCount(), before - 1);
}

void TestRankPage::several_ranks_from_one_click() {
  Workspace& workspace = window_->workspace();
  QVERIFY(!person_->find<QPushButton>("queueRanks")->isEnabled());  // no data yet
  workspace.replace_recipe(recipe(QStringLiteral("sweep")));
  person_->type("severalRanks", QStringLiteral("2, x"));
  QVERIFY(!person_->find<QPushButton>("queueRanks")->isEnabled());
  QVERIFY(person_->text("severalAbout").contains(QStringLiteral("“x”")) ||
          person_->text("severalAbout").contains(QStringLiteral("\"x\"")));
  auto* line = person_->find<QLineEdit>("severalRanks");
  line->setText(QStringLiteral("2, 5"));
  QVERIFY(person_->click("queueRanks"));
  QCOMPARE(workspace.queue().of_group(SeveralRanks::kGroup).size(), std::size_t(2));
  QCOMPARE(person_->find<QTableWidget>("rankQueue")->rowCount(), 2);
  auto* adapters = person_->find<QTableWidget>("rankAdapters");
  WAIT_UNTIL(adapters->rowCount() == 3 && text("rankAdapters", 1, 1) == QStringLiteral("2") &&
             text("rankAdapters", 2, 1) == QStringLiteral("5"));
  QVERIFY(workspace.queue().waiting() == 0);
  QCOMPARE(workspace.recipe().output_dir, desk_.run("sweep").toStdString());  // the form's stays
  WAIT_UNTIL(can_launch(workspace.state()) && workspace.model());
  QVERIFY(person_->click("compareRanks"));
  QCOMPARE(window_->current(), PageId::Compare);
  WAIT_UNTIL_EQUAL(workspace.adapters().size(), std::size_t(2));
  window_->show_page(PageId::Ranks);
}

void TestRankPage::modules_are_sorted_by_a_heading() {
  auto* modules = person_->find<QTableWidget>("rankModules");
  const int norm = 4;
  QStringList own_order;
  for (int row = 0; row < modules->rowCount(); ++row) own_order << modules->item(row, 0)->text();
  modules->setCurrentCell(1, 0);
  const QString chosen = modules->item(1, 0)->text();
  QHeaderView* heads = modules->horizontalHeader();
  const QPoint at(heads->sectionViewportPosition(norm) + heads->sectionSize(norm) / 2,
                  heads->height() / 2);
  QTest::mouseClick(heads->viewport(), Qt::LeftButton, {}, at);
  for (int row = 1; row < modules->rowCount(); ++row)
    QVERIFY(modules->item(row - 1, norm)->text().toDouble() <=
            modules->item(row, norm)->text().toDouble());
  QCOMPARE(modules->item(modules->currentRow(), 0)->text(), chosen);
  // A row chosen now is the module that stands there, in the heat map and the curves too.
  modules->setCurrentCell(modules->rowCount() - 1, 0);
  const QString last = modules->item(modules->rowCount() - 1, 0)->text();
  const auto labels = person_->find<CurvePlot>("spectrum")->findChildren<QLabel*>();
  QVERIFY(std::any_of(labels.begin(), labels.end(),
                      [&](const QLabel* label) { return label->text().contains(last); }));
  person_->find<QTableWidget>("rankAdapters")->setCurrentCell(1, 0);
  QCOMPARE(modules->item(modules->currentRow(), 0)->text(), last);
  heads->setSortIndicator(0, Qt::AscendingOrder);
  for (int row = 0; row < modules->rowCount(); ++row)
    QCOMPARE(modules->item(row, 0)->text(), own_order[row]);
}

/// Two whose rows are gone when their turn comes, then one that a person stops.
void TestRankPage::runs_that_fail_or_are_stopped() {
  Workspace& workspace = window_->workspace();
  RunQueue& queue = workspace.queue();
  WAIT_UNTIL(can_launch(workspace.state()) && !workspace.session().has_run());
  queue.forget_ended(SeveralRanks::kGroup);
  const int before = person_->find<QTableWidget>("rankAdapters")->rowCount();
  Recipe fails = recipe(QStringLiteral("fails"));
  const QString rows = luthier::test::few_rows(desk_, "korean", 4, QStringLiteral("gone.jsonl"));
  fails.dataset = {rows.toStdString()};
  workspace.replace_recipe(fails);
  person_->find<QLineEdit>("severalRanks")->setText(QStringLiteral("2, 3"));
  QVERIFY(person_->click("queueRanks"));
  QVERIFY(QFile::remove(rows));
  const auto ended = [&](const QueuedRun& run) { return run.state == QueuedRun::State::Ended; };
  const auto all_ended = [&] {
    const auto runs = queue.of_group(SeveralRanks::kGroup);
    return runs.size() == 2 && std::all_of(runs.begin(), runs.end(), ended);
  };
  WAIT_UNTIL(all_ended());
  for (const QueuedRun& run : queue.of_group(SeveralRanks::kGroup)) {
    QCOMPARE(run.end_state, std::string("failed"));
    QVERIFY(run.error && run.error->sentence().find("gone.jsonl") != std::string::npos);
  }
  QVERIFY(!queue.held());
  auto* table = person_->find<QTableWidget>("rankQueue");
  QVERIFY(table->item(0, 2)->toolTip().contains(QStringLiteral("gone.jsonl")));
  QVERIFY(!person_->find<QPushButton>("compareRanks")->isVisible());
  QCOMPARE(person_->find<QTableWidget>("rankAdapters")->rowCount(), before);

  WAIT_UNTIL(can_launch(workspace.state()) && !workspace.session().has_run());
  queue.forget_ended(SeveralRanks::kGroup);
  Recipe longer = recipe(QStringLiteral("stopped"));
  longer.training.max_steps = 100'000;
  workspace.replace_recipe(longer);
  QVERIFY(person_->click("queueRanks"));
  WAIT_UNTIL(can_stop(workspace.state()) && workspace.run() && !workspace.run()->ended &&
             !workspace.run()->lines.empty());
  workspace.session().stop(StopKind::Discard);
  WAIT_UNTIL(queue.held());
  QCOMPARE(queue.waiting(), std::size_t(1));
  WAIT_UNTIL(person_->find<QPushButton>("queueGoOn")->isVisible());
  QVERIFY(person_->click("queueDrop"));
  QCOMPARE(queue.waiting(), std::size_t(0));
  QVERIFY(!queue.held() && !person_->find<QPushButton>("queueGoOn")->isVisible());
  WAIT_UNTIL(can_launch(workspace.state()) && !workspace.session().has_run());
}

void TestRankPage::an_adapter_that_is_gone_is_said() {
  auto* adapters = person_->find<QTableWidget>("rankAdapters");
  const int before = adapters->rowCount();
  const QString shown = adapters->item(0, 0)->toolTip();
  std::filesystem::rename(to_path(shown), to_path(shown + QStringLiteral("-away")));
  page()->add_adapter(shown);  // read again
  WAIT_UNTIL(banner()->isVisible() && banner()->text().contains(QFileInfo(shown).fileName()));
  QCOMPARE(adapters->rowCount(), before);  // what was read stays
  QVERIFY(!text("rankAdapters", 0, 4).isEmpty());
  std::filesystem::rename(to_path(shown + QStringLiteral("-away")), to_path(shown));
  page()->add_adapter(shown);
  WAIT_UNTIL(!banner()->isVisible());
}

void TestRankPage::the_run_that_trains() {
  Workspace& workspace = window_->workspace();
  WAIT_UNTIL(can_launch(workspace.state()) && !workspace.session().has_run());
  Recipe longer = recipe(QStringLiteral("long"));
  longer.training.max_steps = 100'000;
  longer.training.save_steps = 0;
  QVERIFY(workspace.launch_recipe(longer));
  WAIT_UNTIL(can_pause(workspace.state()) && workspace.run() && !workspace.run()->ended);
  const int row = person_->find<QTableWidget>("rankAdapters")->rowCount();
  page()->add_adapter(desk_.run("long"));
  // Nothing is saved yet: the sentence says so, and the button mends it.
  WAIT_UNTIL(banner()->isVisible());
  auto* save = page()->findChild<QPushButton*>("bannerAction");
  QVERIFY(save->isVisible());
  QTest::mouseClick(save, Qt::LeftButton);
  WAIT_UNTIL_EQUAL(text("rankAdapters", row, 1), QString::number(longer.adapter.r));
  QVERIFY(text("rankAdapters", row, 0).contains(QStringLiteral("trains")));
  workspace.session().stop(StopKind::Save);
  WAIT_UNTIL(!text("rankAdapters", row, 0).contains(QStringLiteral("trains")));
  WAIT_UNTIL(can_launch(workspace.state()));
}

void TestRankPage::cleanupTestCase() {
  // The window closes in the middle of a queue: the run is saved, what waits is not begun.
  Workspace& workspace = window_->workspace();
  Recipe last = recipe(QStringLiteral("last"));
  last.training.max_steps = 100'000;
  workspace.replace_recipe(last);
  person_->find<QLineEdit>("severalRanks")->setText(QStringLiteral("2, 3"));
  QVERIFY(person_->click("queueRanks"));
  WAIT_UNTIL(can_stop(workspace.state()) && workspace.run() && !workspace.run()->ended &&
             !workspace.run()->lines.empty());
  person_.reset();
  window_.reset();
  const auto run = RunFolder::open(to_path(desk_.run("last-r2")));
  QVERIFY(run.ok() && run->newest_whole_checkpoint().has_value());
  QVERIFY(!QFileInfo::exists(desk_.run("last-r3")));
}

QTEST_MAIN(TestRankPage)
#include "test_rank_page.moc"
