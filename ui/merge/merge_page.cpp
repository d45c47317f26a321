// SPDX-License-Identifier: GPL-3.0-or-later
// Composition of the Merge page, and when the session is asked.
#include "ui/merge/merge_page.h"

#include <QDir>
#include <QFileDialog>
#include <QFileInfo>
#include <QHBoxLayout>
#include <QLabel>
#include <QLineEdit>
#include <QPushButton>
#include <QScrollArea>
#include <QSignalBlocker>
#include <QStackedWidget>
#include <QToolButton>
#include <QVBoxLayout>
#include <utility>

#include "ui/adapter_menu.h"
#include "ui/format.h"
#include "ui/language.h"
#include "ui/merge/combination_form.h"
#include "ui/merge/live_merge.h"
#include "ui/merge/merge_answers.h"
#include "ui/merge/tried_merges.h"
#include "ui/merge/weight_list.h"
#include "ui/messages.h"
#include "ui/sample_source.h"
#include "ui/theme.h"
#include "ui/widgets/banner.h"
#include "ui/widgets/card.h"
#include "ui/widgets/empty_state.h"
#include "ui/widgets/quiet_view.h"
#include "ui/widgets/splitter.h"

namespace luthier {

namespace {

// What the page's message is about: it goes when that does.
const QString kAboutMerge = QStringLiteral("merge");
const QString kAboutFolder = QStringLiteral("folder");

QString figure(double value) { return QString::number(value, 'e', 1); }

}  // namespace

MergePage::MergePage(Workspace& workspace, QWidget* parent) : Page(workspace, parent) {
  merge_ = new LiveMerge(workspace, this);
  auto* layout = make_layout();
  banner_ = new Banner(this);
  layout->addWidget(banner_);
  auto* splitter = new Splitter(Qt::Horizontal, this);
  splitter->addWidget(make_settings());
  splitter->addWidget(make_results());
  splitter->setStretchFactor(0, 0);
  splitter->setStretchFactor(1, 1);
  splitter->setSizes({368, 784});
  layout->addWidget(splitter, 1);
  banner_->float_over(splitter->widget(1));

  connect(merge_, &LiveMerge::changed, this, &MergePage::refresh);
  connect(merge_, &LiveMerge::rows_changed, this, &MergePage::refresh);
  connect(merge_, &LiveMerge::outdated, this, &MergePage::ask);
  connect(merge_, &LiveMerge::answer_changed, this, &MergePage::refresh_scores);
  connect(merge_, &LiveMerge::failed, this, [this](const Error& error) {
    banner_->show_error(error);
    banner_->set_about(kAboutMerge);
    offer_anew(banner_);
  });
  connect(&workspace, &Workspace::model_changed, this, [this] {
    if (this->workspace().model())
      ask();
    else
      merge_->forget();
    refresh();
  });
  connect(&workspace, &Workspace::merged_changed, this, [this] {
    if (!this->workspace().merged()) ask();
    refresh();
  });
  connect(&workspace.samples(), &SampleSource::failed, this, [this](const Error& error) {
    if (isVisible()) banner_->show_error(error);
  });
  connect(&bridge(), &SessionBridge::state_changed, this, &MergePage::refresh);
  connect(&bridge(), &SessionBridge::request_done, this, &MergePage::end_writing);
  connect(&bridge(), &SessionBridge::merge_written, this, [this](const MergeWritten& event) {
    if (event.request != writing_) return;
    const QString folder = path_text(event.folder);
    QStringList said{event.checkpoint ? tr("The merged model was written to %1.").arg(folder)
                                      : tr("The combined adapter was written to %1.").arg(folder)};
    if (!event.sentence.empty()) said << said_text(event.sentence);
    for (const std::string& note : event.notes) said << said_text(note);
    banner_->show_text(Banner::Kind::Info, said.join(QLatin1Char(' ')));
    banner_->set_about(kAboutFolder);
    folder_typed_ = false;
    suggest_folder();
  });
  connect(empty_->button(), &QPushButton::clicked, this,
          [this] { emit go_to(this->workspace().model() ? PageId::Compare : PageId::Model); });
  on_language(this, [this] { refresh(); });
}

QWidget* MergePage::make_settings() {
  auto* left = new QWidget(this);
  auto* layout = new QVBoxLayout(left);
  layout->setContentsMargins(0, 0, 0, 0);
  layout->setSpacing(8);
  auto* card = new Card(left);
  auto* menu = new AdapterMenu(workspace(), AdapterMenu::Running::Left, card);
  menu->setObjectName(QStringLiteral("mergeAdapterMenu"));
  card->head()->addWidget(AdapterMenu::button(menu, QStringLiteral("addToMerge"), card));
  auto* area = new QScrollArea(card);
  area->setWidgetResizable(true);
  area->setFrameShape(QFrame::NoFrame);
  area->setHorizontalScrollBarPolicy(Qt::ScrollBarAlwaysOff);
  blend_in(area, true);
  auto* inside = new QWidget(area);
  auto* down = new QVBoxLayout(inside);
  down->setContentsMargins(0, 0, 6, 0);
  down->setSpacing(12);
  none_yet_ = muted_label(inside);
  weights_ = new WeightList(inside);
  form_ = new CombinationForm(inside);
  down->addWidget(none_yet_);
  down->addWidget(weights_);
  down->addWidget(form_);
  down->addStretch(1);
  area->setWidget(inside);
  area->viewport()->setAutoFillBackground(false);  // the card shows through
  inside->setAutoFillBackground(false);
  card->body()->addWidget(area, 1);
  layout->addWidget(card, 1);
  layout->addWidget(make_actions());
  left->setMinimumWidth(320);
  connect(menu, &AdapterMenu::chosen, this, &MergePage::add_adapter);
  connect(weights_, &WeightList::changed, this, [this] {
    suggest_folder();
    ask();
  });
  connect(form_, &CombinationForm::changed, this, &MergePage::ask);
  on_language(card, [this, card] {
    card->set_title(tr("Adapters and weights"));
    none_yet_->setText(
        tr("Choose one adapter or several. Each gets a weight, and the answers on the right follow "
           "as soon as a slider is let go."));
  });
  return left;
}

QWidget* MergePage::make_actions() {
  auto* card = new Card(this);
  proof_ = text_label(card, true);
  proof_->setObjectName(QStringLiteral("mergeProof"));
  standing_ = text_label(card, true);
  standing_->setObjectName(QStringLiteral("mergeStanding"));
  into_base_ = new QPushButton(card);
  into_base_->setObjectName(QStringLiteral("mergeIntoBase"));
  auto* where = new QHBoxLayout;
  folder_label_ = new QLabel(card);
  folder_ = new QLineEdit(card);
  folder_->setObjectName(QStringLiteral("mergeFolder"));
  folder_label_->setBuddy(folder_);
  auto* browse = new QToolButton(card);
  browse->setObjectName(QStringLiteral("browseMergeFolder"));
  set_themed_icon(browse, QStringLiteral("folder"));
  where->addWidget(folder_label_);
  where->addWidget(folder_, 1);
  where->addWidget(browse);
  auto* row = new QHBoxLayout;
  save_ = new QPushButton(card);
  save_->setObjectName(QStringLiteral("saveCombined"));
  write_ = new QPushButton(card);
  write_->setObjectName(QStringLiteral("writeMerged"));
  row->addWidget(save_, 1);
  row->addWidget(write_, 1);
  card->body()->addWidget(proof_);
  card->body()->addWidget(standing_);
  card->body()->addWidget(into_base_);
  card->body()->addLayout(where);
  card->body()->addLayout(row);
  connect(into_base_, &QPushButton::clicked, this, &MergePage::merge_or_undo);
  connect(save_, &QPushButton::clicked, this, [this] { write(false); });
  connect(write_, &QPushButton::clicked, this, [this] {
    if (writing_ != 0)
      workspace().session().cancel(writing_);
    else
      write(true);
  });
  connect(folder_, &QLineEdit::textEdited, this, [this] {
    folder_typed_ = true;
    banner_->dismiss_about(kAboutFolder);
    refresh();
  });
  connect(browse, &QToolButton::clicked, this, [this] {
    const QString chosen =
        QFileDialog::getExistingDirectory(this, tr("A new or empty folder"), folder_->text());
    if (chosen.isEmpty()) return;
    folder_typed_ = true;
    folder_->setText(chosen);
    refresh();
  });
  on_language(card, [this, card, browse] {
    card->set_title(tr("The merge"));
    folder_label_->setText(tr("Fo&lder"));
    folder_->setAccessibleName(tr("The folder to write"));
    browse->setToolTip(tr("Choose the folder"));
    browse->setAccessibleName(tr("Choose the folder"));
    save_->setText(tr("Save the adapter"));
    save_->setToolTip(tr("The combined adapter as a PEFT folder"));
  });
  suggest_folder();
  return card;
}

QWidget* MergePage::make_results() {
  auto* down = new Splitter(Qt::Vertical, this);
  auto* card = new Card(down);
  samples_ = new QPushButton(card);
  samples_->setObjectName(QStringLiteral("mergeSamples"));
  previous_ = new QToolButton(card);
  previous_->setObjectName(QStringLiteral("previousMerged"));
  previous_->setArrowType(Qt::LeftArrow);
  page_label_ = text_label(card);
  next_ = new QToolButton(card);
  next_->setObjectName(QStringLiteral("nextMerged"));
  next_->setArrowType(Qt::RightArrow);
  exact_ = text_label(card);
  exact_->setObjectName(QStringLiteral("mergeScore"));
  exact_->setFont(scaled_font(1.2, true));
  others_ = muted_label(card, 0.9);
  others_->setObjectName(QStringLiteral("mergeScores"));
  others_->setWordWrap(false);
  others_->setSizePolicy(QSizePolicy::Ignored, QSizePolicy::Preferred);
  card->head()->insertWidget(1, exact_);
  card->head()->insertWidget(2, others_, 100);
  for (QWidget* widget : std::initializer_list<QWidget*>{previous_, page_label_, next_, samples_})
    card->head()->addWidget(widget);
  stack_ = new QStackedWidget(card);
  empty_ = new EmptyState(QStringLiteral("merge"), QStringLiteral("emptyMerge"), stack_);
  stack_->addWidget(empty_);
  answers_ = new MergeAnswers(*merge_, stack_);
  stack_->addWidget(answers_);
  card->body()->addWidget(stack_, 1);
  down->addWidget(card);
  auto* below = new Card(down);
  auto* tried = new TriedMerges(*merge_, below);
  below->body()->addWidget(tried);
  down->addWidget(below);
  down->setStretchFactor(0, 3);
  down->setStretchFactor(1, 1);
  down->setSizes({480, 180});
  connect(tried, &TriedMerges::chosen, this, &MergePage::take_tried);
  connect(samples_, &QPushButton::clicked, this, [this] { emit go_to(PageId::Compare); });
  const auto turn = [this](int by) {
    answers_->show_page(
        static_cast<std::size_t>(std::max(0, static_cast<int>(answers_->page()) + by)));
    refresh();
  };
  connect(previous_, &QToolButton::clicked, this, [turn] { turn(-1); });
  connect(next_, &QToolButton::clicked, this, [turn] { turn(1); });
  on_language(down, [this, below] {
    below->set_title(tr("Tried"));
    samples_->setText(tr("Samples…"));
    samples_->setToolTip(tr("They are chosen on the Compare page"));
    previous_->setAccessibleName(tr("Previous samples"));
    next_->setAccessibleName(tr("Next samples"));
  });
  return down;
}

void MergePage::entered() {
  // The first visit takes held-out rows where the recipe names some, and what stands in Compare.
  const Recipe& recipe = workspace().recipe();
  if (workspace().samples().file().isEmpty() && workspace().model() && !recipe.eval_dataset.empty())
    workspace().samples().read(QString::fromStdString(recipe.eval_dataset.front()),
                               SampleSource::kUsual, recipe.image_folder);
  if (!std::exchange(visited_, true) && weights_->adapters().empty()) {
    for (const AttachedAdapter& adapter : workspace().adapters())
      if (!adapter.whole) add_adapter(path_text(adapter.folder));
  }
  if (outdated_) ask();
  refresh();
}

void MergePage::add_adapter(const QString& folder) {
  banner_->dismiss_about(kAboutMerge);
  if (const Status added = weights_->add(folder); !added) {
    banner_->show_error(added.error());
    banner_->set_about(kAboutMerge);
  }
  refresh();
}

MergeRecipe MergePage::recipe() const {
  MergeRecipe recipe;
  recipe.how = form_->options();
  for (const WeightedAdapter& adapter : weights_->adapters()) {
    recipe.folders.push_back(to_path(adapter.folder));
    recipe.how.weights.push_back(adapter.weight);
  }
  return recipe;
}

void MergePage::ask() {
  if (weights_->adapters().empty()) {
    merge_->forget();
    refresh();
    return;
  }
  if (!workspace().model() || workspace().merged()) {
    refresh();
    return;
  }
  outdated_ = !isVisible();
  if (outdated_) {
    merge_->cancel();
    return;
  }
  banner_->dismiss_about(kAboutMerge);
  merge_->ask(recipe());
}

void MergePage::take_tried(std::size_t tried) {
  if (tried >= merge_->tried().size() || workspace().merged()) return;
  const MergeRecipe wanted = merge_->tried()[tried].recipe;
  {
    const QSignalBlocker quiet(weights_), quiet_form(form_);
    weights_->clear();
    for (const std::filesystem::path& folder : wanted.folders) {
      const Status added = weights_->add(path_text(folder));
      if (!added) banner_->show_error(added.error());
    }
    weights_->set_weights(wanted.how.weights);
    form_->set_options(wanted.how);
  }
  suggest_folder();
  ask();
}

void MergePage::suggest_folder() {
  if (folder_typed_) return;
  const QString run = QString::fromStdString(workspace().recipe().output_dir);
  const QString runs = run.isEmpty() ? QStringLiteral("runs") : QFileInfo(run).path();
  QStringList names;
  for (const WeightedAdapter& adapter : weights_->adapters()) names << adapter.name;
  const QString name =
      names.isEmpty() || names.size() > 3 ? QStringLiteral("merged") : names.join(QLatin1Char('+'));
  folder_->setText(workspace().free_run_folder(
      QDir(runs).filePath(names.size() == 1 ? name + QStringLiteral("-merged") : name)));
}

void MergePage::write(bool checkpoint) {
  banner_->dismiss();
  const std::filesystem::path out = to_path(folder_->text().trimmed());
  writing_ = checkpoint ? workspace().session().write_merged(recipe(), out)
                        : workspace().session().save_combined(recipe(), out);
  refresh();
}

void MergePage::end_writing(const RequestDone& event) {
  if (event.request != writing_ && event.request != merging_) return;
  (event.request == writing_ ? writing_ : merging_) = 0;
  if (event.error) {
    banner_->show_error(*event.error);
    banner_->set_about(kAboutFolder);
    offer_anew(banner_);
  }
  refresh();
}

void MergePage::merge_or_undo() {
  banner_->dismiss();
  if (workspace().merged()) {
    workspace().session().undo_merge();
    return;
  }
  merge_->cancel();
  merging_ = workspace().session().merge_into_base(recipe());
  refresh();
}

QString MergePage::why_not_merge() const {
  if (!workspace().model()) return tr("A model must be loaded first");
  if (weights_->adapters().empty()) return tr("Choose an adapter first");
  if (merging_ != 0 || writing_ != 0) return tr("It is being written");
  if (workspace().state() != SessionState::Ready)
    return tr("Not now: %1").arg(state_text(state_name(workspace().state())));
  return {};
}

QString MergePage::proof_text() const {
  const auto& proof = merge_->proof();
  if (!proof) return merge_->running() ? tr("The proof follows the answers…") : QString();
  if (proof->refused) return error_text(*proof->refused);
  return tr("Merged = unmerged: the logits on probe inputs are off by %1 of the largest; %2 is "
            "allowed.")
      .arg(figure(proof->difference), figure(proof->limit));
}

void MergePage::refresh() {
  const auto& merged = workspace().merged();
  const bool any = !weights_->adapters().empty(), several = weights_->adapters().size() > 1;
  none_yet_->setVisible(!any);
  form_->setVisible(several);
  for (QWidget* widget : std::initializer_list<QWidget*>{weights_, form_})
    widget->setEnabled(!merged);
  const QString proof = proof_text();
  proof_->setText(proof);
  proof_->setVisible(!proof.isEmpty() && !merged);
  const bool refused = merge_->proof() && merge_->proof()->refused;
  set_ink(proof_, refused ? Ink::Warning : Ink::Text);
  standing_->setVisible(merged.has_value());
  if (merged)
    standing_->setText(
        tr("The loaded base holds this merge: off by %1 of the largest logit, %2 is allowed. %3 of "
           "its own weights are kept for undoing, which leaves its bytes as they were.")
            .arg(figure(merged->difference), figure(merged->limit),
                 bytes_text(merged->kept_bytes)));
  const QString why_not = why_not_merge();
  into_base_->setText(merged ? tr("Undo the merge") : tr("Merge into the loaded base"));
  into_base_->setEnabled(merged ? workspace().state() == SessionState::Ready : why_not.isEmpty());
  into_base_->setToolTip(
      merged || why_not.isEmpty()
          ? tr("In memory: Compare and questions then see the merged model, until it is undone, "
               "another model is loaded or a run is launched")
          : why_not);
  const bool folder = !folder_->text().trimmed().isEmpty();
  save_->setEnabled(any && folder && writing_ == 0);
  write_->setText(writing_ != 0 ? tr("Cancel writing") : tr("Write the merged model"));
  write_->setEnabled(writing_ != 0 || (folder && why_not.isEmpty()));
  write_->setToolTip(why_not.isEmpty() || writing_ != 0
                         ? tr("The base's checkpoint with the merge in it, as a folder by itself")
                         : why_not);
  const bool model = workspace().model().has_value();
  const std::size_t total = merge_->rows().size();
  stack_->setCurrentIndex(model && total > 0 ? 1 : 0);
  if (!model)
    empty_->set_texts(tr("First a model"),
                      tr("Adapters are merged on the base that they were trained on."),
                      tr("Choose a model"));
  else
    empty_->set_texts(tr("No samples yet"),
                      tr("Open a file of rows on the Compare page: a merge is judged by its "
                         "answers to them."),
                      tr("To the Compare page"));
  const std::size_t first = answers_->page() * MergeAnswers::kPerPage;
  page_label_->setText(tr("%1–%2 of %3")
                           .arg(first + 1)
                           .arg(std::min(first + MergeAnswers::kPerPage, total))
                           .arg(total));
  previous_->setEnabled(answers_->page() > 0);
  next_->setEnabled(answers_->page() + 1 < answers_->page_count());
  for (QWidget* widget : std::initializer_list<QWidget*>{previous_, next_, page_label_, samples_})
    widget->setVisible(model && total > 0);
  refresh_scores();
}

void MergePage::refresh_scores() {
  const auto scores = merge_->scores();
  const auto text = [&](const char* key) { return percent_text(scores.at(key).mean, 1); };
  const std::size_t total = merge_->rows().size();
  const bool exact = scores.contains("exact");
  exact_->setText(exact ? tr("%1 exact").arg(text("exact")) : QString());
  QStringList others;
  if (scores.contains("token_f1")) others << tr("token F1 %1").arg(text("token_f1"));
  if (scores.contains("chrf")) others << tr("chrF %1").arg(text("chrf"));
  if (scores.contains("json")) others << tr("valid JSON %1").arg(text("json"));
  if (merge_->running())
    others << tr("answering: %1 of %2").arg(merge_->answered()).arg(total);
  else if (exact)
    others << tr("of %n samples", nullptr, static_cast<int>(scores.at("exact").of));
  if (const auto& made = merge_->made(); made && made->rank > 0)
    others << tr("rank %1").arg(made->rank);
  others_->setText(others.join(QStringLiteral("  ·  ")));
  QStringList notes;
  if (const auto& made = merge_->made())
    for (const std::string& note : made->notes) notes << said_text(note);
  others_->setToolTip(notes.join(QLatin1Char('\n')));
}

}  // namespace luthier
