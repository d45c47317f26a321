// SPDX-License-Identifier: GPL-3.0-or-later
#include "ui/chat/chat_window.h"

#include <QComboBox>
#include <QDoubleSpinBox>
#include <QDragEnterEvent>
#include <QFileDialog>
#include <QFileInfo>
#include <QHBoxLayout>
#include <QLabel>
#include <QLineEdit>
#include <QMimeData>
#include <QPushButton>
#include <QScrollBar>
#include <QSpinBox>
#include <QTextBrowser>
#include <QTextDocument>
#include <QToolButton>
#include <QUrl>
#include <QVBoxLayout>

#include "engine/compare/result_folder.h"
#include "ui/format.h"
#include "ui/language.h"
#include "ui/messages.h"
#include "ui/pictures.h"
#include "ui/theme.h"
#include "ui/widgets/card.h"
#include "ui/widgets/quiet_view.h"

namespace luthier {

namespace {

constexpr int kChatEdge = 160, kIconEdge = 38;
constexpr QSize kChatSize(620, 640);

QString paragraphs(const QString& text) {
  return text.toHtmlEscaped().replace(QLatin1Char('\n'), QStringLiteral("<br>"));
}

QString dropped_file(const QMimeData* data) {
  if (!data->hasUrls() || data->urls().isEmpty()) return {};
  return data->urls().front().toLocalFile();
}

}  // namespace

ChatWindow* ChatWindow::of(Workspace& workspace, QWidget* owner) {
  QWidget* window = owner->window();
  if (auto* there = window->findChild<ChatWindow*>()) return there;
  return new ChatWindow(workspace, window);
}

ChatWindow::ChatWindow(Workspace& workspace, QWidget* owner)
    : QDialog(owner), workspace_(workspace) {
  setObjectName(QStringLiteral("chatWindow"));
  setAcceptDrops(true);
  auto* layout = new QVBoxLayout(this);
  layout->addWidget(make_head());
  system_ = new QLineEdit(this);
  system_->setObjectName(QStringLiteral("chatSystem"));
  layout->addWidget(system_);
  said_ = new QTextBrowser(this);
  said_->setObjectName(QStringLiteral("chatSaid"));
  said_->setOpenLinks(false);
  said_->setFrameShape(QFrame::NoFrame);
  blend_in(said_, false);
  layout->addWidget(said_, 1);
  note_ = muted_label(this);
  note_->setObjectName(QStringLiteral("chatNote"));
  note_->setWordWrap(true);
  note_->hide();
  layout->addWidget(note_);
  layout->addWidget(make_foot());
  SessionBridge& bridge = workspace_.bridge();
  connect(&bridge, &SessionBridge::answer_updated, this, &ChatWindow::take);
  connect(&bridge, &SessionBridge::request_done, this, &ChatWindow::end);
  connect(&bridge, &SessionBridge::state_changed, this, &ChatWindow::refresh);
  connect(&bridge, &SessionBridge::command_failed, this, [this](const CommandFailed& event) {
    if (event.command != "attach_adapter" || wanted_.isEmpty()) return;
    wanted_.clear();
    say(error_text(event.error));
  });
  connect(&workspace_, &Workspace::adapters_changed, this, &ChatWindow::fill_who);
  connect(&workspace_, &Workspace::run_started, this, &ChatWindow::fill_who);
  connect(&workspace_, &Workspace::run_ended, this, &ChatWindow::fill_who);
  connect(&workspace_, &Workspace::model_changed, this, [this] {
    if (!wanted_.isEmpty() && workspace_.model()) attach_wanted();
    fill_who();
    refresh();
  });
  connect(&Theme::instance(), &Theme::changed, this, &ChatWindow::render);
  on_language(this, [this] { retranslate(); });
  resize(kChatSize);
}

QWidget* ChatWindow::make_head() {
  auto* head = new QWidget(this);
  auto* row = new QHBoxLayout(head);
  row->setContentsMargins(0, 0, 0, 0);
  who_label_ = new QLabel(head);
  who_ = new QComboBox(head);
  who_->setObjectName(QStringLiteral("chatWho"));
  who_->setMinimumContentsLength(12);
  who_label_->setBuddy(who_);
  length_label_ = new QLabel(head);
  length_ = new QSpinBox(head);
  length_->setObjectName(QStringLiteral("chatLength"));
  length_->setRange(1, 8192);
  length_->setValue(256);
  length_label_->setBuddy(length_);
  warmth_label_ = new QLabel(head);
  warmth_ = new QDoubleSpinBox(head);
  warmth_->setObjectName(QStringLiteral("chatTemperature"));
  warmth_->setRange(0, 5);
  warmth_->setSingleStep(0.1);
  warmth_label_->setBuddy(warmth_);
  fresh_ = new QPushButton(head);
  fresh_->setObjectName(QStringLiteral("chatAnew"));
  row->addWidget(who_label_);
  row->addWidget(who_, 1);
  for (QWidget* widget :
       std::initializer_list<QWidget*>{length_label_, length_, warmth_label_, warmth_, fresh_})
    row->addWidget(widget);
  connect(fresh_, &QPushButton::clicked, this, &ChatWindow::start_anew);
  return head;
}

QWidget* ChatWindow::make_foot() {
  auto* foot = new QWidget(this);
  auto* row = new QHBoxLayout(foot);
  row->setContentsMargins(0, 0, 0, 0);
  attach_ = new QToolButton(foot);
  attach_->setObjectName(QStringLiteral("chatPicture"));
  attach_->setFixedSize(44, 44);
  attach_->setIconSize({kIconEdge, kIconEdge});
  text_ = new QLineEdit(foot);
  text_->setObjectName(QStringLiteral("chatText"));
  text_->setMinimumHeight(34);
  again_ = new QToolButton(foot);
  again_->setObjectName(QStringLiteral("chatAgain"));
  set_themed_icon(again_, QStringLiteral("refresh"));
  send_ = new QPushButton(foot);
  send_->setObjectName(QStringLiteral("chatSend"));
  send_->setDefault(true);
  row->addWidget(attach_);
  row->addWidget(text_, 1);
  row->addWidget(again_);
  row->addWidget(send_);
  connect(attach_, &QToolButton::clicked, this, &ChatWindow::choose_picture);
  connect(text_, &QLineEdit::textChanged, this, &ChatWindow::refresh);
  connect(again_, &QToolButton::clicked, this, &ChatWindow::ask_again);
  connect(send_, &QPushButton::clicked, this, &ChatWindow::send_or_stop);
  return foot;
}

void ChatWindow::retranslate() {
  setWindowTitle(tr("Chat"));
  who_label_->setText(tr("&With"));
  who_->setAccessibleName(tr("Who answers"));
  length_label_->setText(tr("Tokens"));
  length_->setAccessibleName(tr("Tokens of an answer, at most"));
  warmth_label_->setText(tr("Temperature"));
  warmth_->setAccessibleName(tr("Temperature"));
  warmth_->setToolTip(tr("0: always the likeliest token; about 0.7 is usual for talking"));
  fresh_->setText(tr("&New chat"));
  system_->setPlaceholderText(tr("System prompt, if there is to be one"));
  system_->setAccessibleName(tr("System prompt"));
  said_->setAccessibleName(tr("The conversation"));
  said_->setPlaceholderText(tr("Say something below. Pictures can be dropped here."));
  text_->setAccessibleName(tr("Your turn"));
  again_->setToolTip(tr("Answer the last turn again"));
  again_->setAccessibleName(tr("Answer the last turn again"));
  set_picture(picture_);
  fill_who();
  render();
}

void ChatWindow::talk() {
  fill_who();
  show();
  raise();
  activateWindow();
  text_->setFocus();
}

void ChatWindow::talk_with(const QString& folder) {
  const auto found = find_result(to_path(folder));
  if (!found) {
    say(error_text(found.error()));
  } else {
    wanted_ = path_text(found->folder);
    if (workspace_.model())
      attach_wanted();
    else if (const auto base = base_of_adapter(found->folder); base && !found->whole)
      workspace_.load_model(path_text(*base));  // the result follows it
  }
  talk();
}

/// Beside the base, unless it stands there already.
void ChatWindow::attach_wanted() {
  for (const AttachedAdapter& adapter : workspace_.adapters())
    if (path_text(adapter.folder) == wanted_) return;
  workspace_.attach_adapter(wanted_);
}

void ChatWindow::fill_who() {
  const QString before = who_->currentData().toString();
  who_->clear();
  who_->addItem(tr("the base"), QString());
  const auto& run = workspace_.run();
  if (run && !run->ended) who_->addItem(tr("in training"), QLatin1String(kTrainingColumn));
  for (const AttachedAdapter& adapter : workspace_.adapters()) {
    const QString name = QString::fromStdString(adapter.name);
    who_->addItem(name, name);
    if (!wanted_.isEmpty() && path_text(adapter.folder) == wanted_) {
      who_->setCurrentIndex(who_->count() - 1);
      wanted_.clear();
      refresh();
      return;
    }
  }
  const int again = who_->findData(before);
  who_->setCurrentIndex(std::max(0, again));
  refresh();
}

std::optional<std::string> ChatWindow::column() const {
  const QString name = who_->currentData().toString();
  if (name.isEmpty()) return {};
  return name.toStdString();
}

AnswerRequest ChatWindow::request() const {
  Conversation conversation;
  const QString system = system_->text().trimmed();
  if (!system.isEmpty())
    conversation.messages.push_back({"system", {ContentPart::of_text(system.toStdString())}});
  for (const Turn& turn : turns_) {
    Message message{turn.mine ? "user" : "assistant", {}};
    if (!turn.picture.isEmpty())
      message.content.push_back({ContentPart::Kind::Image, {}, to_path(turn.picture)});
    message.content.push_back(ContentPart::of_text(turn.text.toStdString()));
    conversation.messages.push_back(std::move(message));
  }
  AnswerRequest asked;
  asked.samples.push_back({conversation, "the chat"});
  asked.columns.push_back(column());
  asked.options.max_new_tokens = length_->value();
  asked.options.temperature = warmth_->value();
  asked.options.alternatives = 0;
  asked.draws = {asked_};  // the same turn asked again is drawn anew
  return asked;
}

void ChatWindow::send_or_stop() {
  if (request_ != 0) {
    workspace_.session().cancel(request_);
    return;
  }
  const QString text = text_->text().trimmed();
  if (text.isEmpty() || !send_->isEnabled()) return;
  turns_.push_back({text, picture_, true, {}, {}, {}});
  text_->clear();
  set_picture({});
  ask();
}

void ChatWindow::ask_again() {
  if (request_ != 0 || turns_.empty()) return;
  if (!turns_.back().mine) turns_.pop_back();
  if (!turns_.empty()) ask();
}

void ChatWindow::ask() {
  say({});
  ++asked_;
  request_ = workspace_.session().answer(request());
  turns_.push_back({{}, {}, false, who_->currentText(), {}, {}});
  render();
  refresh();
}

void ChatWindow::start_anew() {
  if (request_ != 0) workspace_.session().cancel(request_);
  request_ = 0;
  say({});
  turns_.clear();
  set_picture({});
  render();
  refresh();
  text_->setFocus();
}

void ChatWindow::choose_picture() {
  if (!picture_.isEmpty()) return set_picture({});  // a second click takes it back
  const QString file = QFileDialog::getOpenFileName(
      this, tr("Choose a picture"), {},
      tr("Pictures (*.png *.jpg *.jpeg *.webp *.gif *.bmp *.tif *.tiff)"));
  if (!file.isEmpty()) set_picture(file);
}

void ChatWindow::set_picture(const QString& file) {
  picture_ = file;
  const QString words = file.isEmpty() ? tr("Add a picture") : tr("Leave the picture out");
  attach_->setToolTip(words);
  attach_->setAccessibleName(words);
  if (file.isEmpty()) {
    attach_->setIcon(themed_icon(QStringLiteral("plus")));
    return;
  }
  load_picture(file, kIconEdge * 2, this, [this, file](const QImage& image, const QString& error) {
    if (file != picture_) return;
    attach_->setIcon(image.isNull() ? themed_icon(QStringLiteral("warning"), colours().warning)
                                    : QIcon(QPixmap::fromImage(image)));
    if (image.isNull()) say(error);
  });
}

void ChatWindow::dragEnterEvent(QDragEnterEvent* event) {
  if (attach_->isVisible() && !dropped_file(event->mimeData()).isEmpty())
    event->acceptProposedAction();
}

void ChatWindow::dropEvent(QDropEvent* event) {
  const QString file = dropped_file(event->mimeData());
  if (!file.isEmpty()) set_picture(file);
}

void ChatWindow::take(const AnswerUpdate& event) {
  if (event.request != request_ || request_ == 0 || turns_.empty()) return;
  turns_.back().text = QString::fromStdString(event.text);
  turns_.back().finish = QString::fromStdString(event.finish);
  render();
}

void ChatWindow::end(const RequestDone& event) {
  if (event.request != request_ || request_ == 0) return;
  request_ = 0;
  Turn& last = turns_.back();
  if (event.error) last.wrong = error_text(*event.error);
  if (event.cancelled) last.finish = QStringLiteral("stopped");
  if (last.text.isEmpty() && (event.error || event.cancelled)) {
    // What was asked stays in the field, to be asked again.
    const QString wrong = last.wrong;
    turns_.pop_back();
    text_->setText(turns_.back().text);
    set_picture(turns_.back().picture);
    turns_.pop_back();
    say(event.cancelled ? tr("Stopped before the first word.") : wrong);
  }
  render();
  refresh();
}

void ChatWindow::render() {
  QString html;
  const QString muted = colours().muted.name();
  for (std::size_t i = 0; i < turns_.size(); ++i) {
    const Turn& turn = turns_[i];
    html += QStringLiteral("<p style='margin:10px 0 2px 0; color:%1'>%2</p>")
                .arg(muted, turn.mine ? tr("you") : turn.who.toHtmlEscaped());
    if (!turn.picture.isEmpty()) {
      const QUrl url(QStringLiteral("picture:%1").arg(i));
      html += QStringLiteral("<p style='margin:0'><img src='%1'></p>").arg(url.toString());
      load_picture(turn.picture, kChatEdge, this,
                   [this, url](const QImage& image, const QString&) {
                     if (image.isNull()) return;
                     said_->document()->addResource(QTextDocument::ImageResource, url, image);
                     said_->document()->markContentsDirty(0, said_->document()->characterCount());
                   });
    }
    const bool waits = !turn.mine && turn.text.isEmpty() && request_ != 0;
    html += QStringLiteral("<p style='margin:0 0 4px 0'>%1</p>")
                .arg(waits ? QStringLiteral("…") : paragraphs(turn.text));
    QString remark = turn.wrong;
    if (turn.finish == QLatin1String("length")) remark = tr("cut off at the most tokens");
    if (turn.finish == QLatin1String("stopped")) remark = tr("stopped");
    if (!remark.isEmpty())
      html += QStringLiteral("<p style='margin:0; color:%1'>%2</p>")
                  .arg(colours().warning.name(), remark.toHtmlEscaped());
  }
  said_->setHtml(html);
  said_->verticalScrollBar()->setValue(said_->verticalScrollBar()->maximum());
}

void ChatWindow::refresh() {
  const bool busy = request_ != 0;
  const bool ready = workspace_.model() && can_answer(workspace_.state());
  attach_->setVisible(workspace_.model_has("image_folder"));
  text_->setPlaceholderText(ready ? tr("Your turn…") : tr("A model must be loaded first"));
  send_->setText(busy ? tr("&Stop") : tr("&Send"));
  send_->setEnabled(busy || (ready && !text_->text().trimmed().isEmpty()));
  again_->setEnabled(ready && !busy && !turns_.empty());
  fresh_->setEnabled(!turns_.empty());
  who_->setEnabled(!busy);
}

void ChatWindow::say(const QString& text) {
  note_->setText(text);
  note_->setVisible(!text.isEmpty());
}

}  // namespace luthier
