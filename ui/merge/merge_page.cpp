// SPDX-License-Identifier: GPL-3.0-or-later
// Composition of the Merge page, and when the session is asked.
#include "ui/merge/merge_page.h"

#include <QLabel>
#include <QScrollArea>
#include <QSignalBlocker>
#include <QVBoxLayout>

#include "ui/adapter_menu.h"
#include "ui/format.h"
#include "ui/language.h"
#include "ui/merge/combination_form.h"
#include "ui/merge/live_merge.h"
#include "ui/merge/merge_actions.h"
#include "ui/merge/merge_results.h"
#include "ui/merge/weight_list.h"
#include "ui/sample_source.h"
#include "ui/widgets/banner.h"
#include "ui/widgets/card.h"
#include "ui/widgets/quiet_view.h"
#include "ui/widgets/splitter.h"

namespace luthier {

namespace {

// What the page's message is about: it goes when that does.
const QString kAboutMerge = QStringLiteral("merge");
const QString kAboutFolder = QStringLiteral("folder");

}  // namespace

MergePage::MergePage(Workspace& workspace, QWidget* parent) : Page(workspace, parent) {
  merge_ = new LiveMerge(workspace, this);
  auto* layout = make_layout();
  banner_ = new Banner(this);
  layout->addWidget(banner_);
  auto* splitter = new Splitter(Qt::Horizontal, this);
  splitter->addWidget(make_settings());
  results_ = new MergeResults(workspace, *merge_, this);
  splitter->addWidget(results_);
  splitter->setStretchFactor(0, 0);
  splitter->setStretchFactor(1, 1);
  splitter->setSizes({368, 784});
  layout->addWidget(splitter, 1);
  banner_->float_over(splitter->widget(1));

  connect(merge_, &LiveMerge::changed, this, &MergePage::refresh);
  connect(merge_, &LiveMerge::outdated, this, &MergePage::ask);
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
  connect(results_, &MergeResults::tried_chosen, this, &MergePage::take_tried);
  connect(results_, &MergeResults::samples_asked, this, [this] { emit go_to(PageId::Compare); });
  connect(results_, &MergeResults::way_on_asked, this,
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
  layout->addWidget(make_actions(left));
  left->setMinimumWidth(320);
  connect(menu, &AdapterMenu::chosen, this, &MergePage::add_adapter);
  connect(weights_, &WeightList::changed, this, [this] {
    actions_->suggest_folder();
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

QWidget* MergePage::make_actions(QWidget* parent) {
  actions_ = new MergeActions(
      workspace(), *merge_, [this] { return weights_->adapters(); }, [this] { return recipe(); },
      parent);
  connect(actions_, &MergeActions::begun, banner_, &Banner::dismiss);
  connect(actions_, &MergeActions::folder_edited, this,
          [this] { banner_->dismiss_about(kAboutFolder); });
  connect(actions_, &MergeActions::failed, this, [this](const Error& error) {
    banner_->show_error(error);
    banner_->set_about(kAboutFolder);
    offer_anew(banner_);
  });
  connect(actions_, &MergeActions::written, this, [this](const QString& sentence) {
    banner_->show_text(Banner::Kind::Info, sentence);
    banner_->set_about(kAboutFolder);
  });
  return actions_;
}

void MergePage::entered() {
  // Held-out rows are taken where the recipe names some, and once what stands in Compare; a look
  // before anything stood there is no visit.
  const Recipe& recipe = workspace().recipe();
  if (workspace().samples().file().isEmpty() && workspace().model() && !recipe.eval_dataset.empty())
    workspace().samples().read(QString::fromStdString(recipe.eval_dataset.front()),
                               SampleSource::kUsual, recipe.image_folder);
  if (!visited_ && weights_->adapters().empty())
    for (const AttachedAdapter& adapter : workspace().adapters())
      if (!adapter.whole) add_adapter(path_text(adapter.folder));
  visited_ = visited_ || !weights_->adapters().empty();
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
    // Where one of them is gone, nothing changes: the weights would be those of others.
    if (const Status shown = weights_->show(wanted.folders, wanted.how.weights); !shown) {
      banner_->show_error(shown.error());
      banner_->set_about(kAboutMerge);
      return;
    }
    form_->set_options(wanted.how);
  }
  actions_->suggest_folder();
  ask();
}

void MergePage::refresh() {
  const bool any = !weights_->adapters().empty();
  none_yet_->setVisible(!any);
  form_->setVisible(weights_->adapters().size() > 1);
  for (QWidget* widget : std::initializer_list<QWidget*>{weights_, form_})
    widget->setEnabled(!workspace().merged());
  actions_->refresh();
  results_->refresh();
}

}  // namespace luthier
