/* SPDX-License-Identifier: MIT
 *
 * Brim for C++17: brim.h with types, in one header, at no cost (docs/CPP.md).  Values come and go as
 * std::unique_ptr<T>; what brim.h says to give back is given back by a destructor; callbacks are lambdas.
 *
 *   brim::cache<std::uint64_t, tile> tiles = brim::cache<std::uint64_t, tile>::make({256 << 20});
 *   ...
 *   if (brim::ref<tile> t = tiles.get(id, [&] { return brim::loaded(render(id), tile_bytes); }))
 *       blit(*t, x, y);
 *
 * Everything is a thin name for a function of brim.h, whose guarantees, rules and comments hold: what a comment here
 * does not say, that of the C function says.  This one is named by `As'.
 *
 * Handles    cache, ref, key, slot, section, load, wait, group and queue are each one pointer (load: two; wait:
 *            three).  An empty one is what NULL is in brim.h: finds miss, predicates are false, statuses are
 *            invalid.  c() is the C handle, still owned; detach() gives it away; adopt() takes one over.
 * Copies     ref, key and group are counted: a copy is one count more (an atomic step), a move is none.  cache,
 *            section, load, wait and queue are moved only; slots and kinds stay where they are, for others have
 *            their address.
 * Results    Nothing here throws, and nothing needs exceptions or RTTI.  result<H> is an H, empty or not, and the
 *            status of how it came to be; it can be used, kept and passed on as an H.
 * Exceptions that leave a loader, a predicate, a visitor or a writer do not pass through Brim: they are caught
 *            below it, the load fails (others that wait for it get status::failed), the walk stops, and the call that
 *            was given the callback throws them on.  Destructors, listeners and `done' callbacks must not throw:
 *            nobody could be told, and the program ends (std::terminate).
 * Threads    As brim.h: any, on one handle's functions at once where they are const or look at the cache; a variable
 *            that is assigned, moved or destroyed belongs to one thread at a time, as a std::shared_ptr.
 * Keys       See key_bytes.  A parameter of the type `argument' is a const Key &, or a std::string_view for keys that
 *            are strings.
 * NULL       values (negative entries) are empty std::unique_ptrs.  A ref to one is true; its get() is nullptr.
 *
 * Where each function of brim.h is; of these names, those in braces are reached through options and destructors
 * alone.
 *
 *   brim_cache_new, brim_cache_free          cache::make, {~cache}
 *   brim_options_init_sized                  {options}
 *   brim_entry_options_init_sized            {entry_options}
 *   brim_claim_options_init_sized            {load_options}
 *   brim_insert, brim_insert_with            cache::insert, insert_and_hold
 *   brim_insert_or_wrap, brim_wrap           cache::insert_or_wrap, wrap
 *   brim_insert_anonymous                    cache::insert_anonymous, insert_anonymous_and_hold
 *   brim_find, brim_contains, brim_remove    cache::find, contains, remove
 *   brim_find_many, brim_find_fixed          cache::find_many
 *   brim_ref_value, _cost, _kind             ref::get, cost, kind; borrowed:: the same
 *     (brim_ref_cost, brim_ref_kind)
 *   brim_ref_key_bytes, brim_ref_is_cached   ref::bytes, is_cached; borrowed:: the same
 *   brim_ref_set_cost, brim_ref_key          ref::set_cost, key
 *   brim_ref_copy                            {a copy of a ref}
 *   brim_release, brim_release_with          {~ref}, ref::reset
 *   brim_release_many                        brim::release_many
 *   brim_key_bytes, brim_key_find            key::bytes, find
 *   brim_key_get                             cache::get of a key
 *   brim_key_replace                         cache::replace
 *   brim_key_replace_with                    cache::replace, replace_and_hold
 *   brim_key_remove, brim_key_is_valid       key::remove, is_valid
 *   brim_key_equal                           key == key, !=
 *   brim_key_copy, brim_key_assign           {a copy of a key, its assignment}
 *   brim_key_swap, brim_key_drop             brim::swap, {~key}
 *   brim_key_find_many                       brim::find_many
 *   brim_slot_init, brim_slot_load           slot::slot, load
 *   brim_slot_store, brim_slot_exchange      slot::store, exchange, {~slot}
 *   brim_slot_compare_exchange               slot::compare_exchange
 *   brim_slot_find                           slot::find
 *   brim_read_begin, _end, _refresh          cache::read, section::end, {~section}, section::refresh
 *     (brim_read_end, brim_read_refresh)
 *   brim_peek, brim_key_peek                 section::peek
 *   brim_peek_many, brim_peek_fixed          section::peek_many
 *   brim_borrow, brim_ref_hold               section::borrow, borrowed::hold
 *   brim_get, brim_get_with                  cache::get
 *   brim_claim, brim_claim_with              cache::claim
 *   brim_claim_many, brim_claim_async        cache::claim_many, claim_async
 *   brim_wait_cancel                         wait::cancel
 *   brim_load_finish, brim_load_finish_with  load::finish, finish_and_hold
 *   brim_load_fail, brim_load_fail_for       load::fail, {~load}, fail_for
 *   brim_load_begin, brim_load_is_wanted     load::begin, is_wanted
 *   brim_load_asked                          load::asked
 *   brim_load_cancel                         cache::cancel_load
 *   brim_load_current                        brim::this_load::is_wanted, asked
 *   brim_set_capacity, brim_capacity         cache::set_capacity, capacity
 *   brim_used, brim_pinned, brim_count       cache::used, pinned, count
 *   brim_reserve, brim_unreserve             cache::reserve, unreserve
 *   brim_trim, brim_trim_kind                cache::trim, trim_own_kind
 *   brim_trim_unused_since, brim_idle        cache::trim_unused_since, idle
 *   brim_next_frame, brim_frame              cache::next_frame, frame
 *   brim_clear, brim_drain                   cache::clear, drain
 *   brim_kind_set_limits                     cache::set_limits, set_own_limits
 *   brim_queue_new, brim_collect             queue::make, collect
 *   brim_queue_drop                          {~queue}
 *   brim_group_new, brim_group_copy          cache::make_group, {a copy of a group}
 *   brim_group_invalidate, brim_group_close  group::invalidate, close
 *   brim_group_loads, brim_group_drop        group::loads, {~group}
 *   brim_remove_if, brim_for_each            cache::remove_if, for_each
 *   brim_stats_get_sized                     cache::stats
 *   brim_stats_write                         cache::write_stats
 *   brim_stats_emit                          brim::emit_stats
 *   brim_report_problems                     cache::report_problems
 *   brim_strerror, brim_version              brim::describe, version
 */
#ifndef BRIM_HPP
#define BRIM_HPP
#include "brim.h"

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <initializer_list>
#include <limits>
#include <memory>
#include <new>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#if defined(__has_include)
#if __has_include(<version>)
#include <version>
#endif
#endif
#if defined(__cpp_lib_span)
#include <span>
#endif
#if defined(__cpp_exceptions)
#include <exception>
#endif

namespace brim
{

// ---- Words of brim.h

/** brim_status.  What brim.h marks BRIM_MUST_USE is [[nodiscard]] here. */
enum class status : int {
    ok = BRIM_OK,
    claimed = BRIM_CLAIMED,
    pending = BRIM_PENDING,
    timeout = BRIM_TIMEOUT,
    exists = BRIM_EXISTS,
    too_big = BRIM_TOO_BIG,
    full = BRIM_FULL,
    nomem = BRIM_NOMEM,
    invalid = BRIM_INVALID,
    failed = BRIM_FAILED,
    canceled = BRIM_CANCELED,
    deadlock = BRIM_DEADLOCK,
    unsupported = BRIM_UNSUPPORTED
};

/** brim_cause. */
enum class cause : int {
    evicted = BRIM_EVICTED,
    removed = BRIM_REMOVED,
    replaced = BRIM_REPLACED,
    invalidated = BRIM_INVALIDATED,
    expired = BRIM_EXPIRED,
    cleared = BRIM_CLEARED,
    freed = BRIM_FREED
};

/** brim_objective. */
enum class objective : int { balanced = BRIM_BALANCED, hits = BRIM_HITS, bytes = BRIM_BYTES, work = BRIM_WORK };

/** brim_hash. */
enum class hash : int { fast = BRIM_HASH_FAST, strong = BRIM_HASH_STRONG };

/** brim_format. */
enum class format : int { text = BRIM_TEXT, json = BRIM_JSON, prometheus = BRIM_PROMETHEUS };

/** brim_entry_options.priority. */
enum class priority : int { low = -1, normal = 0, high = 1 };

/** Flags of ref::reset. */
inline constexpr unsigned not_useful = BRIM_NOT_USEFUL;
inline constexpr unsigned remove_if_last = BRIM_REMOVE_IF_LAST;

/** A timeout without a limit. */
inline constexpr std::chrono::milliseconds forever{-1};

/** Statistics are the C structure. */
using stats = brim_stats;

/** As brim_strerror. */
inline const char *describe(status s) noexcept
{
    return brim_strerror(static_cast<brim_status>(s));
}

/** As brim_version. */
inline const char *version() noexcept
{
    return brim_version();
}

template <class T> class ref;
template <class T> class borrowed;
template <class T> class key;
template <class T, class Deleter> class load;
class queue;

/**
 * result<H>:
 * An H, and the status of how it came to be.  Unless a comment says otherwise it is empty exactly if that is not ok.
 */
template <class H> class [[nodiscard]] result : public H
{
  public:
    result(brim::status why, H &&handle) noexcept : H(std::move(handle)), status_(why) {}
    brim::status status() const noexcept { return status_; }

  private:
    brim::status status_;
};

/**
 * A deleter that does nothing: for values that somebody else owns and that outlive the cache and its refs.
 */
struct unowned {
    template <class T> void operator()(T *) const noexcept {}
};

// ---- Keys are bytes

namespace detail
{
template <class...> inline constexpr bool never = false;
template <class K> inline constexpr bool is_plain =
    std::is_trivially_copyable_v<K> && std::has_unique_object_representations_v<K> && !std::is_same_v<K, char *> &&
    !std::is_same_v<K, const char *>;
} // namespace detail

/**
 * key_bytes<K>:
 * The bytes that stand for a K; equal keys have equal bytes, and only those.  There is one for each type that is its
 * bytes (integers, enums, pointers, structures and arrays of them without padding), and for std::string and
 * std::string_view, whose keys are passed as std::string_view.  For another type specialise it:
 *
 *   template <> struct brim::key_bytes<font_id> {
 *       static std::string pack(const font_id &id);         // or anything else with data() and size(), in bytes
 *       static font_id unpack(std::string_view bytes);      // if loaders of keys, or key<K>(), are to be given a K
 *   };
 *
 * What `pack' returns lives as long as the call that needs it; it may as well be a std::string_view of the key.
 */
template <class K, class = void> struct key_bytes {
    static_assert(detail::never<K>,
                  "K is not its bytes (it has padding, floating point, a pointer to characters, or is "
                  "not trivially copyable): specialise brim::key_bytes<K>");
};

template <class K> struct key_bytes<K, std::enable_if_t<detail::is_plain<K>>> {
    /** In an array of K the bytes lie one after the other: for brim_find_fixed. */
    static constexpr bool in_place = true;
    static std::string_view pack(const K &key) noexcept
    {
        return {reinterpret_cast<const char *>(std::addressof(key)), sizeof key};
    }
    static K unpack(std::string_view bytes) noexcept
    {
        alignas(K) unsigned char room[sizeof(K)]; // K may have no default constructor
        std::memcpy(room, bytes.data(), sizeof(K));
        return *std::launder(reinterpret_cast<const K *>(room));
    }
};

template <> struct key_bytes<std::string_view> {
    using argument = std::string_view;
    static std::string_view pack(std::string_view key) noexcept { return key; }
    static std::string_view unpack(std::string_view bytes) noexcept { return bytes; }
};
template <> struct key_bytes<std::string> : key_bytes<std::string_view> {
};

// ---- Kinds

/**
 * What all kinds have: the C structure, whose address is the kind.
 */
class kind_base
{
  public:
    kind_base(const kind_base &) = delete;
    kind_base &operator=(const kind_base &) = delete;
    const brim_kind *c() const noexcept { return &kind_; }

  protected:
    constexpr kind_base() noexcept : kind_{} { kind_.size = sizeof kind_; }
    ~kind_base() = default;
    brim_kind kind_;
};

/**
 * A kind of values that are T and are destroyed by a Deleter: what calls that make or cast such values ask for.
 */
template <class T, class Deleter = std::default_delete<T>> class kind_of : public kind_base
{
  public:
    using element_type = T;
    using deleter_type = Deleter;
    using pointer = std::unique_ptr<T, Deleter>;

  protected:
    constexpr kind_of() noexcept = default;
    ~kind_of() = default;
};

/** Limits and queue of a kind: as in brim_kind. */
struct kind_options {
    std::size_t floor = 0, ceiling = 0;
    const brim::queue *queue = nullptr; // must live as long as values of the kind do, or longer
};

/** The listener that nobody is. */
struct no_listener {
};

namespace detail
{

template <class T> void *untyped(T *value) noexcept
{
    return const_cast<void *>(static_cast<const volatile void *>(value));
}

inline std::string_view view(const void *data, std::size_t size) noexcept
{
    return {static_cast<const char *>(data), size};
}

/* Deleters are called as they ask to be: with the key and the cost, with the cost, or as std::unique_ptr does. */
template <class T, class Deleter>
void destroy(Deleter &deleter, std::string_view key, void *value, std::size_t cost) noexcept
{
    T *const p = static_cast<T *>(value);
    if constexpr (std::is_invocable_v<Deleter &, T *, std::string_view, std::size_t>)
        deleter(p, key, cost);
    else if constexpr (std::is_invocable_v<Deleter &, T *, std::size_t>)
        deleter(p, cost);
    else
        deleter(p);
}

template <class T, class Deleter> inline constexpr bool wants_key =
    std::is_invocable_v<Deleter &, T *, std::string_view, std::size_t>;

template <class T, class Deleter> void destroy_stateless(void *value, std::size_t cost, void *) noexcept
{
    Deleter deleter{};
    destroy<T>(deleter, {}, value, cost);
}

template <class T, class Deleter>
void destroy_entry_stateless(const void *key, std::size_t len, void *value, std::size_t cost, void *) noexcept
{
    Deleter deleter{};
    destroy<T>(deleter, view(key, len), value, cost);
}

template <class Deleter> inline constexpr bool is_stateless =
    std::is_empty_v<Deleter> && std::is_default_constructible_v<Deleter>;

template <class T, class Deleter> constexpr void set_stateless(brim_kind &kind) noexcept
{
    if constexpr (std::is_same_v<Deleter, unowned>)
        return;
    else if constexpr (wants_key<T, Deleter>)
        kind.destroy_entry = destroy_entry_stateless<T, Deleter>;
    else
        kind.destroy = destroy_stateless<T, Deleter>;
}

template <class T, class Deleter> constexpr brim_kind make_standard() noexcept
{
    brim_kind kind{};
    kind.size = sizeof kind;
    set_stateless<T, Deleter>(kind);
    return kind;
}

/* The kind of a cache that was not given one.  Constant: it is there before anything is made, and never ends. */
template <class T, class Deleter> inline constexpr brim_kind standard_kind = make_standard<T, Deleter>();

template <class L, class = void> inline constexpr bool hears_unused = false;
template <class L> inline constexpr bool hears_unused<L, std::void_t<decltype(std::declval<const L &>().unused())>> =
    true;

} // namespace detail

/**
 * kind<T, Deleter, Listener>:
 * As brim_kind, for values that are T, and are destroyed by a copy of ${deleter}, called with (T *), (T *, cost) or
 * (T *, std::string_view key, cost).  ${listener} is called as `removed', with (std::string_view key, T *value,
 * std::size_t cost, brim::cause why), and its member unused(), if it has one, as `unused'.  Both are called as
 * const, on any thread, several at once.  The key of an anonymous value has a data() of nullptr.
 *
 * Ownership  The program's: best a static variable.  It must stay as long as a cache that met it, or a ref of one.
 * Callbacks  Must not throw.
 */
template <class T, class Deleter = std::default_delete<T>, class Listener = no_listener> class kind
    : public kind_of<T, Deleter>
{
  public:
    explicit kind(const char *name, const kind_options &options = {}, Deleter deleter = Deleter(),
                  Listener listener = Listener());
    ~kind() = default;

  private:
    static const kind &self(void *arg) noexcept { return *static_cast<const kind *>(arg); }
    static void destroy(void *value, std::size_t cost, void *arg) noexcept
    {
        Deleter deleter = self(arg).deleter_;
        detail::destroy<T>(deleter, {}, value, cost);
    }
    static void destroy_entry(const void *key, std::size_t len, void *value, std::size_t cost, void *arg) noexcept
    {
        Deleter deleter = self(arg).deleter_;
        detail::destroy<T>(deleter, detail::view(key, len), value, cost);
    }
    static void removed(const void *key, std::size_t len, void *value, std::size_t cost, brim_cause why,
                        void *arg) noexcept
    {
        self(arg).listener_(detail::view(key, len), static_cast<T *>(value), cost, static_cast<cause>(why));
    }
    static void unused(void *arg) noexcept { self(arg).listener_.unused(); }

    Deleter deleter_;
    Listener listener_;
};

/**
 * A kind with ${listener}, which may be a lambda: static const auto tiles = brim::make_kind<tile>("tile", {},
 * listener).
 */
template <class T, class Deleter = std::default_delete<T>, class Listener> kind<T, Deleter, Listener>
make_kind(const char *name, const kind_options &options, Listener listener, Deleter deleter = Deleter())
{
    return kind<T, Deleter, Listener>(name, options, std::move(deleter), std::move(listener));
}

// ---- Refs

namespace detail
{

/* ref<U> to ref<T>: const is added, or the type forgotten.  No base classes: the pointer is stored as it was. */
template <class U, class T> inline constexpr bool is_view_of =
    !std::is_same_v<U, T> && std::is_convertible_v<U *, T *> &&
    (std::is_void_v<T> || std::is_same_v<std::remove_const_t<U>, std::remove_const_t<T>>);

template <class T, class U> inline constexpr bool may_be =
    std::is_void_v<T> || std::is_same_v<std::remove_const_t<T>, std::remove_const_t<U>>;

/* What a ref can be asked, counted or not. */
template <class Self, class T> class asked
{
  public:
    using element_type = T;

    /** As brim_ref_value; nullptr also for a NULL value. */
    T *get() const noexcept { return static_cast<T *>(brim_ref_value(c())); }
    std::add_lvalue_reference_t<T> operator*() const noexcept { return *get(); }
    T *operator->() const noexcept { return get(); }
    /** Whether there is an entry, perhaps with a NULL value. */
    explicit operator bool() const noexcept { return c() != nullptr; }
    /** As brim_ref_cost. */
    std::size_t cost() const noexcept { return brim_ref_cost(c()); }
    /** As brim_ref_kind. */
    const brim_kind *kind() const noexcept { return brim_ref_kind(c()); }
    /** As brim_ref_key_bytes.  key_bytes<K>::unpack makes a K of them. */
    std::string_view bytes() const noexcept
    {
        std::size_t size;
        const void *const data = brim_ref_key_bytes(c(), &size);
        return view(data, size);
    }
    /** As brim_ref_is_cached. */
    bool is_cached() const noexcept { return brim_ref_is_cached(c()); }

  private:
    const brim_ref *c() const noexcept { return static_cast<const Self &>(*this).c(); }
};

} // namespace detail

/**
 * ref<T>:
 * A counted hold on a value.  As large as a pointer, and in an array as an array of brim_ref *.
 */
template <class T> class ref : public detail::asked<ref<T>, T>
{
  public:
    constexpr ref() noexcept = default;
    constexpr ref(std::nullptr_t) noexcept {}
    ref(const ref &other) noexcept : c_(brim_ref_copy(other.c_)) {}
    ref(ref &&other) noexcept : c_(other.detach()) {}
    template <class U, class = std::enable_if_t<detail::is_view_of<U, T>>> ref(const ref<U> &other) noexcept
        : c_(brim_ref_copy(other.c()))
    {
    }
    template <class U, class = std::enable_if_t<detail::is_view_of<U, T>>> ref(ref<U> &&other) noexcept
        : c_(other.detach())
    {
    }
    ref &operator=(ref other) noexcept
    {
        swap(*this, other);
        return *this;
    }
    ~ref()
    {
        if (c_)
            brim_release(c_);
    }
    friend void swap(ref &a, ref &b) noexcept { std::swap(a.c_, b.c_); }

    /** As brim_release; empty then. */
    void reset() noexcept { *this = ref(); }
    /** As brim_release_with, of not_useful and remove_if_last. */
    bool reset(unsigned flags) noexcept { return brim_release_with(detach(), flags); }
    /** As brim_ref_set_cost. */
    [[nodiscard]] brim::status set_cost(std::size_t cost) noexcept
    {
        return static_cast<brim::status>(brim_ref_set_cost(c_, cost));
    }
    /** As brim_ref_key. */
    [[nodiscard]] brim::key<T> key() const noexcept { return brim::key<T>::adopt(brim_ref_key(c_)); }

    /** As a U, if its kind is ${kind}; else empty.  For caches of several kinds, whose refs are ref<void>. */
    template <class U, class D> [[nodiscard]] ref<U> as(const kind_of<U, D> &kind) const &noexcept
    {
        return ref(*this).template as<U, D>(kind);
    }
    /** The same of a ref that is not needed any more: no count changes if it is of that kind, else it is released. */
    template <class U, class D> [[nodiscard]] ref<U> as(const kind_of<U, D> &kind) && noexcept
    {
        static_assert(detail::may_be<T, U>, "a ref<T> never holds a value of that kind");
        ref taken(std::move(*this));
        return ref<U>::adopt(is(taken, kind) ? taken.detach() : nullptr);
    }

    brim_ref *c() const noexcept { return c_; }
    [[nodiscard]] brim_ref *detach() noexcept { return std::exchange(c_, nullptr); }
    [[nodiscard]] static ref adopt(brim_ref *c) noexcept
    {
        ref r;
        r.c_ = c;
        return r;
    }

  private:
    static bool is(const ref &r, const kind_base &kind) noexcept { return r.c_ && r.kind() == kind.c(); }
    brim_ref *c_ = nullptr;
};

/**
 * borrowed<T>:
 * What section::borrow lends: as a ref, but uncounted.  Valid until its section ends.
 */
template <class T> class borrowed : public detail::asked<borrowed<T>, T>
{
  public:
    constexpr borrowed() noexcept = default;
    explicit constexpr borrowed(const brim_ref *c) noexcept : c_(c) {}

    /** As brim_ref_hold. */
    [[nodiscard]] ref<T> hold() const noexcept { return ref<T>::adopt(brim_ref_hold(c_)); }
    /** As a U, if its kind is ${kind}; else empty. */
    template <class U, class D> [[nodiscard]] borrowed<U> as(const kind_of<U, D> &kind) const noexcept
    {
        static_assert(detail::may_be<T, U>, "a borrowed<T> never lends a value of that kind");
        return borrowed<U>(c_ && this->kind() == kind.c() ? c_ : nullptr);
    }
    const brim_ref *c() const noexcept { return c_; }

  private:
    const brim_ref *c_ = nullptr;
};

/**
 * release_many(refs, n):
 * As brim_release_many; ${refs} are empty then.
 */
template <class T> void release_many(ref<T> *refs, std::size_t n) noexcept
{
    static_assert(sizeof(ref<T>) == sizeof(brim_ref *) && std::is_standard_layout_v<ref<T>>);
    brim_release_many(reinterpret_cast<brim_ref **>(refs), n);
    for (std::size_t i = 0; i < n; i++)
        (void)refs[i].detach();
}

// ---- Keys and slots

/**
 * key<T>:
 * As brim_key: a counted handle that names an entry and does not keep its value.
 */
template <class T> class key
{
  public:
    using element_type = T;
    constexpr key() noexcept = default;
    constexpr key(std::nullptr_t) noexcept {}
    key(const key &other) noexcept : c_(brim_key_copy(other.c_)) {}
    key(key &&other) noexcept : c_(other.detach()) {}
    template <class U, class = std::enable_if_t<detail::is_view_of<U, T>>> key(const key<U> &other) noexcept
        : c_(brim_key_copy(other.c()))
    {
    }
    template <class U, class = std::enable_if_t<detail::is_view_of<U, T>>> key(key<U> &&other) noexcept
        : c_(other.detach())
    {
    }
    key &operator=(const key &other) noexcept
    {
        brim_key_assign(&c_, other.c_);
        return *this;
    }
    key &operator=(key &&other) noexcept
    {
        key taken(std::move(other));
        swap(*this, taken);
        return *this;
    }
    ~key()
    {
        if (c_)
            brim_key_drop(c_);
    }
    friend void swap(key &a, key &b) noexcept { brim_key_swap(&a.c_, &b.c_); }
    /** As brim_key_equal. */
    friend bool operator==(const key &a, const key &b) noexcept { return brim_key_equal(a.c_, b.c_); }
    friend bool operator!=(const key &a, const key &b) noexcept { return !brim_key_equal(a.c_, b.c_); }

    explicit operator bool() const noexcept { return c_ != nullptr; }
    /** As brim_key_find. */
    [[nodiscard]] ref<T> find() const noexcept { return ref<T>::adopt(brim_key_find(c_)); }
    /** As brim_key_remove. */
    bool remove() noexcept { return brim_key_remove(c_); }
    /** As brim_key_is_valid. */
    bool is_valid() const noexcept { return brim_key_is_valid(c_); }
    /** As brim_key_bytes. */
    std::string_view bytes() const noexcept
    {
        std::size_t size;
        const void *const data = brim_key_bytes(c_, &size);
        return detail::view(data, size);
    }

    brim_key *c() const noexcept { return c_; }
    /** The variable itself, as functions of brim.h want it that change it. */
    brim_key **address() noexcept { return &c_; }
    [[nodiscard]] brim_key *detach() noexcept { return std::exchange(c_, nullptr); }
    [[nodiscard]] static key adopt(brim_key *c) noexcept
    {
        key k;
        k.c_ = c;
        return k;
    }

  private:
    brim_key *c_ = nullptr;
};

/**
 * find_many(keys, n, refs):
 * As brim_key_find_many.  What ${refs} held is released first.
 */
template <class T> std::size_t find_many(const key<T> *keys, std::size_t n, ref<T> *refs) noexcept
{
    static_assert(sizeof(key<T>) == sizeof(brim_key *) && std::is_standard_layout_v<key<T>>);
    release_many(refs, n);
    return brim_key_find_many(reinterpret_cast<brim_key *const *>(keys), n, reinterpret_cast<brim_ref **>(refs));
}

/**
 * slot<T>:
 * As brim_slot: a key shared by threads.  Each function is atomic, but for making and destroying it.
 */
template <class T> class slot
{
  public:
    constexpr slot() noexcept : c_{nullptr} {}
    /** As brim_slot_init. */
    explicit slot(key<T> &&k) noexcept { brim_slot_init(&c_, k.detach()); }
    slot(const slot &) = delete;
    slot &operator=(const slot &) = delete;
    ~slot() { brim_slot_store(&c_, nullptr); }

    /** As brim_slot_load. */
    [[nodiscard]] key<T> load() noexcept { return key<T>::adopt(brim_slot_load(&c_)); }
    /** As brim_slot_store. */
    void store(key<T> k) noexcept { brim_slot_store(&c_, k.detach()); }
    /** As brim_slot_exchange. */
    [[nodiscard]] key<T> exchange(key<T> k) noexcept { return key<T>::adopt(brim_slot_exchange(&c_, k.detach())); }
    /** As brim_slot_compare_exchange.  True: ${desired} is empty then.  False: it is as it was. */
    bool compare_exchange(const key<T> &expected, key<T> &&desired) noexcept
    {
        const bool done = brim_slot_compare_exchange(&c_, expected.c(), desired.c());
        if (done)
            (void)desired.detach();
        return done;
    }
    /** As brim_slot_find. */
    [[nodiscard]] ref<T> find() noexcept { return ref<T>::adopt(brim_slot_find(&c_)); }

    brim_slot *c() noexcept { return &c_; }

  private:
    brim_slot c_;
};

// ---- Groups and queues

/**
 * group:
 * As brim_group: entries that die together.  Its destructor gives one count back; the entries stay.
 */
class group
{
  public:
    constexpr group() noexcept = default;
    group(const group &other) noexcept : c_(brim_group_copy(other.c_)) {}
    group(group &&other) noexcept : c_(other.detach()) {}
    group &operator=(group other) noexcept
    {
        swap(*this, other);
        return *this;
    }
    ~group() { brim_group_drop(c_); }
    friend void swap(group &a, group &b) noexcept { std::swap(a.c_, b.c_); }

    explicit operator bool() const noexcept { return c_ != nullptr; }
    /** As brim_group_invalidate. */
    void invalidate() noexcept { brim_group_invalidate(c_); }
    /** As brim_group_close. */
    void close() noexcept { brim_group_close(c_); }
    /** As brim_group_loads. */
    std::size_t loads() const noexcept { return brim_group_loads(c_); }

    brim_group *c() const noexcept { return c_; }
    [[nodiscard]] brim_group *detach() noexcept { return std::exchange(c_, nullptr); }
    [[nodiscard]] static group adopt(brim_group *c) noexcept
    {
        group g;
        g.c_ = c;
        return g;
    }

  private:
    brim_group *c_ = nullptr;
};

/**
 * queue:
 * As brim_queue: values that wait for their owner thread to destroy them.  Its destructor is brim_queue_drop.
 */
class queue
{
  public:
    constexpr queue() noexcept = default;
    queue(queue &&other) noexcept : c_(other.detach()) {}
    queue &operator=(queue &&other) noexcept
    {
        queue taken(std::move(other));
        std::swap(c_, taken.c_);
        return *this;
    }
    ~queue()
    {
        if (c_)
            brim_queue_drop(c_);
    }
    /** As brim_queue_new; empty: no memory. */
    [[nodiscard]] static queue make() noexcept { return adopt(brim_queue_new()); }

    explicit operator bool() const noexcept { return c_ != nullptr; }
    /** As brim_collect. */
    std::size_t collect(std::size_t max = SIZE_MAX) noexcept { return c_ ? brim_collect(c_, max) : 0; }

    brim_queue *c() const noexcept { return c_; }
    [[nodiscard]] brim_queue *detach() noexcept { return std::exchange(c_, nullptr); }
    [[nodiscard]] static queue adopt(brim_queue *c) noexcept
    {
        queue q;
        q.c_ = c;
        return q;
    }

  private:
    brim_queue *c_ = nullptr;
};

template <class T, class Deleter, class Listener>
kind<T, Deleter, Listener>::kind(const char *name, const kind_options &options, Deleter deleter, Listener listener)
    : deleter_(std::move(deleter)), listener_(std::move(listener))
{
    brim_kind &k = this->kind_;
    k.name = name;
    k.floor = options.floor;
    k.ceiling = options.ceiling;
    k.queue = options.queue ? options.queue->c() : nullptr;
    k.arg = this;
    if constexpr (detail::is_stateless<Deleter>)
        detail::set_stateless<T, Deleter>(k);
    else if constexpr (detail::wants_key<T, Deleter>)
        k.destroy_entry = destroy_entry;
    else
        k.destroy = destroy;
    if constexpr (!std::is_same_v<Listener, no_listener>)
        k.removed = removed;
    if constexpr (detail::hears_unused<Listener>)
        k.unused = unused;
}

// ---- Options

/**
 * As brim_options; the kind is an argument of cache::make.
 */
struct options {
    std::size_t capacity = 0;
    const char *name = nullptr;
    unsigned shards = 0;
    std::size_t expected_cost = 0, max_entries = 0;
    brim::objective objective = brim::objective::balanced;
    brim::hash hash = brim::hash::fast;
    std::uint64_t seed = 0;
    bool borrow = false, charge_overhead = false, protect_frame = false;
    std::uint64_t (*now)(void *) = nullptr; // brim::now<Clock> asks a clock of <chrono>
    void *now_arg = nullptr;
    const brim_allocator *allocator = nullptr;
    void (*gone)(void *) = nullptr;
    void *gone_arg = nullptr;
};

/** For options.now: nanoseconds of ${Clock}, which should be steady, and must not throw. */
template <class Clock> std::uint64_t now(void *) noexcept
{
    using std::chrono::nanoseconds;
    const auto since = std::chrono::duration_cast<nanoseconds>(Clock::now().time_since_epoch());
    return static_cast<std::uint64_t>(since.count());
}

/** Up to four groups: variables that live until the call that is given them returns.  They are not counted here. */
class groups
{
    template <class... G> static constexpr bool are_variables = sizeof...(G) > 0 && sizeof...(G) <= 4 &&
                                                                (std::is_convertible_v<G, const group &> && ...) &&
                                                                (std::is_lvalue_reference_v<G> && ...);

  public:
    constexpr groups() noexcept = default;
    template <class... G, class = std::enable_if_t<are_variables<G...>>> groups(G &&...members) noexcept
        : c_{static_cast<const group &>(members).c()...}
    {
    }
    brim_group *const *c() const noexcept { return c_; }

  private:
    brim_group *c_[4] = {};
};

/**
 * As brim_entry_options; the kind is an argument of the calls that take one.  A duration of 0 is no limit, or
 * unknown.
 */
struct entry_options {
    brim::groups groups{};
    std::chrono::nanoseconds work{0}, max_age{0}, max_idle{0};
    brim::priority priority = brim::priority::normal;
    bool only_if_absent = false, drop_old = false;
};

/**
 * As brim_claim_options.
 */
struct load_options {
    std::chrono::milliseconds timeout = forever;
    std::size_t expected_cost = 0;
    entry_options entry{};
    int *reason = nullptr;
};

namespace detail
{

/* What is below 0 was over before it began: the shortest time there is. */
inline std::uint64_t nanoseconds(std::chrono::nanoseconds d) noexcept
{
    return d.count() < 0 ? 1 : static_cast<std::uint64_t>(d.count());
}

/* What no int can hold, some 24 days, is no limit. */
inline int milliseconds(std::chrono::milliseconds d) noexcept
{
    return d.count() < 0 || d.count() > std::numeric_limits<int>::max() ? -1 : static_cast<int>(d.count());
}

inline brim_options c_options(const options &o, const brim_kind *kind) noexcept
{
    brim_options c;
    brim_options_init(&c, o.capacity);
    c.name = o.name;
    c.shards = o.shards;
    c.expected_cost = o.expected_cost;
    c.max_entries = o.max_entries;
    c.kind = kind;
    c.objective = static_cast<brim_objective>(o.objective);
    c.hash = static_cast<brim_hash>(o.hash);
    c.seed = o.seed;
    c.borrow = o.borrow;
    c.charge_overhead = o.charge_overhead;
    c.protect_frame = o.protect_frame;
    c.now = o.now;
    c.now_arg = o.now_arg;
    c.allocator = o.allocator;
    c.gone = o.gone;
    c.gone_arg = o.gone_arg;
    return c;
}

inline brim_entry_options c_options(const entry_options &o, const brim_kind *kind) noexcept
{
    brim_entry_options c;
    brim_entry_options_init(&c);
    c.kind = kind;
    c.group = o.groups.c()[0];
    for (int i = 0; i < 3; i++)
        c.more_groups[i] = o.groups.c()[i + 1];
    c.work = o.work.count() > 0 ? nanoseconds(o.work) : 0;
    c.max_age = nanoseconds(o.max_age);
    c.max_idle = nanoseconds(o.max_idle);
    c.priority = static_cast<int>(o.priority);
    c.only_if_absent = o.only_if_absent;
    c.drop_old = o.drop_old;
    return c;
}

/* The claim's options point to the entry's. */
class c_load_options
{
  public:
    c_load_options(const load_options &o, const brim_kind *kind) noexcept : entry_(c_options(o.entry, kind))
    {
        brim_claim_options_init(&claim_);
        claim_.timeout_ms = milliseconds(o.timeout);
        claim_.entry = &entry_;
        claim_.expected_cost = o.expected_cost;
        claim_.reason = o.reason;
    }
    c_load_options(const c_load_options &) = delete;
    c_load_options &operator=(const c_load_options &) = delete;
    const brim_claim_options *c() const noexcept { return &claim_; }
    brim_claim_options *c() noexcept { return &claim_; }

  private:
    brim_entry_options entry_;
    brim_claim_options claim_;
};

// ---- Callbacks below frames of C

/* What user code throws there waits here until Brim has returned. */
class thrown
{
  public:
    /* True: ${call} has thrown.  What unwinds a canceled thread (pthread_cancel) is no C++ exception: it goes on. */
    template <class Call> bool by(Call &&call)
    {
#if defined(__cpp_exceptions)
        try {
            call();
            return false;
        } catch (...) {
            error_ = std::current_exception();
            if (!error_)
                throw;
            return true;
        }
#else
        call();
        return false;
#endif
    }
#if defined(__cpp_exceptions)
    bool has_thrown() const noexcept
    {
        return error_ != nullptr;
    }
    void rethrow()
    {
        if (error_)
            std::rethrow_exception(std::move(error_));
    }

  private:
    std::exception_ptr error_;
#else
    bool has_thrown() const noexcept
    {
        return false;
    }
    void rethrow() noexcept {}
#endif
};

} // namespace detail

// ---- Loads

/**
 * loaded<T, Deleter>:
 * What a loader returns: a value, perhaps a NULL one, and its cost; or a status, never ok: the load has failed, and
 * that is the reason.  brim::loaded(std::make_unique<tile>(), cost) knows the types.
 */
template <class T, class Deleter = std::default_delete<T>> class [[nodiscard]] loaded
{
  public:
    loaded(std::unique_ptr<T, Deleter> value, std::size_t cost) noexcept
        : value_(std::move(value)), cost_(cost), status_(brim::status::ok)
    {
    }
    loaded(brim::status why) noexcept : status_(why == brim::status::ok ? brim::status::failed : why) {}
    template <class U, class E,
              class = std::enable_if_t<std::is_convertible_v<std::unique_ptr<U, E>, std::unique_ptr<T, Deleter>>>>
    loaded(loaded<U, E> &&other) noexcept
        : value_(std::move(other.value_)), cost_(other.cost_), status_(other.status_)
    {
    }

    /* For a brim_loader: its status, ${*value} and ${*cost}. */
    brim_status give(void **value, std::size_t *cost) noexcept
    {
        *cost = cost_;
        *value = detail::untyped(value_.release());
        return static_cast<brim_status>(status_);
    }

  private:
    template <class U, class E> friend class loaded;
    std::unique_ptr<T, Deleter> value_{};
    std::size_t cost_ = 0;
    brim::status status_;
};

/** The load whose loader is running on this thread. */
namespace this_load
{
/** As brim_load_is_wanted of brim_load_current(). */
inline bool is_wanted() noexcept
{
    return brim_load_is_wanted(brim_load_current());
}
/** As brim_load_asked of brim_load_current(). */
inline std::uint64_t asked() noexcept
{
    return brim_load_asked(brim_load_current());
}
} // namespace this_load

/**
 * load<T, Deleter>:
 * As brim_load: a claimed load, to be finished or failed once, on any thread.  One that is destroyed fails, with
 * status::failed for its reason, so that nobody waits for what will never come.
 */
template <class T, class Deleter = std::default_delete<T>> class load
{
  public:
    using pointer = std::unique_ptr<T, Deleter>;
    constexpr load() noexcept = default;
    load(load &&other) noexcept : c_(other.detach()), kind_(other.kind_) {}
    load &operator=(load &&other) noexcept
    {
        load taken(std::move(other));
        std::swap(c_, taken.c_);
        std::swap(kind_, taken.kind_);
        return *this;
    }
    ~load()
    {
        if (c_)
            brim_load_fail(c_, BRIM_FAILED);
    }

    explicit operator bool() const noexcept { return c_ != nullptr; }
    /** As brim_load_finish.  But for invalid, the load and ${value} are empty then. */
    brim::status finish(pointer &&value, std::size_t cost) noexcept
    {
        return finish_c(value, cost, nullptr, nullptr);
    }
    /** As brim_load_finish_with; the kind stays.  But for invalid and nomem, the load and ${value} are empty then. */
    brim::status finish(pointer &&value, std::size_t cost, const entry_options &options) noexcept
    {
        return finish_c(value, cost, &options, nullptr);
    }
    /** The same with a ref; not empty also with too_big, full and canceled: it holds a value that is not cached. */
    result<ref<T>> finish_and_hold(pointer &&value, std::size_t cost) noexcept
    {
        brim_ref *out = nullptr;
        const brim::status s = finish_c(value, cost, nullptr, &out);
        return {s, ref<T>::adopt(out)};
    }
    result<ref<T>> finish_and_hold(pointer &&value, std::size_t cost, const entry_options &options) noexcept
    {
        brim_ref *out = nullptr;
        const brim::status s = finish_c(value, cost, &options, &out);
        return {s, ref<T>::adopt(out)};
    }
    /** As brim_load_fail; empty then. */
    void fail(int reason) noexcept { brim_load_fail(detach(), reason); }
    void fail(brim::status why = brim::status::failed) noexcept { fail(static_cast<int>(why)); }
    /** As brim_load_fail_for; empty then. */
    void fail_for(int reason, std::chrono::nanoseconds time) noexcept
    {
        brim_load_fail_for(detach(), reason, time.count() > 0 ? detail::nanoseconds(time) : 0);
    }
    /** As brim_load_begin. */
    void begin() noexcept { brim_load_begin(c_); }
    /** As brim_load_is_wanted. */
    bool is_wanted() const noexcept { return brim_load_is_wanted(c_); }
    /** As brim_load_asked. */
    std::uint64_t asked() const noexcept { return brim_load_asked(c_); }

    brim_load *c() const noexcept { return c_; }
    [[nodiscard]] brim_load *detach() noexcept { return std::exchange(c_, nullptr); }
    /** ${kind} is what it was claimed with, which finishing with other options keeps; nullptr: the cache's own. */
    [[nodiscard]] static load adopt(brim_load *c, const brim_kind *kind = nullptr) noexcept
    {
        load l;
        l.c_ = c;
        l.kind_ = kind;
        return l;
    }

  private:
    brim::status finish_c(pointer &value, std::size_t cost, const entry_options *options, brim_ref **out) noexcept
    {
        brim_status s;
        if (options) {
            const brim_entry_options c = detail::c_options(*options, kind_);
            s = brim_load_finish_with(c_, detail::untyped(value.get()), cost, &c, out);
        } else {
            s = brim_load_finish(c_, detail::untyped(value.get()), cost, out);
        }
        if (s != BRIM_INVALID && s != BRIM_NOMEM) {
            c_ = nullptr;
            (void)value.release();
        }
        return static_cast<brim::status>(s);
    }

    brim_load *c_ = nullptr;
    const brim_kind *kind_ = nullptr;
};

// ---- Waits

namespace detail
{

/* A `done' callback.  One that is no larger than a pointer, as a lambda that captures one, needs no memory. */
template <class T, class F> struct done_call {
    static constexpr bool fits =
        std::is_trivially_copyable_v<F> && sizeof(F) <= sizeof(void *) && alignof(F) <= alignof(void *);

    /* False: no memory. */
    template <class G> static bool store(G &&done, void *&arg)
    {
        if constexpr (fits) {
            const F copy(std::forward<G>(done));
            arg = nullptr;
            std::memcpy(&arg, std::addressof(copy), sizeof copy);
            return true;
        } else {
            arg = new (std::nothrow) F(std::forward<G>(done));
            return arg != nullptr;
        }
    }
    static void run(brim_ref *found, int reason, void *arg) noexcept
    {
        if constexpr (fits) {
            alignas(F) unsigned char room[sizeof(F)];
            std::memcpy(room, &arg, sizeof(F));
            (*std::launder(reinterpret_cast<F *>(room)))(ref<T>::adopt(found), reason);
        } else {
            const std::unique_ptr<F> done(static_cast<F *>(arg));
            (*done)(ref<T>::adopt(found), reason);
        }
    }
    static void drop(void *arg) noexcept
    {
        if constexpr (!fits)
            delete static_cast<F *>(arg);
        else
            (void)arg;
    }
};

} // namespace detail

/**
 * wait:
 * As brim_wait: a callback of claim_async that is yet to come.  Its destructor forgets it: the callback comes.
 */
class wait
{
  public:
    constexpr wait() noexcept = default;
    constexpr wait(brim_wait *c, void *arg, void (*drop)(void *) noexcept) noexcept : c_(c), arg_(arg), drop_(drop)
    {
    }
    wait(wait &&other) noexcept : c_(std::exchange(other.c_, nullptr)), arg_(other.arg_), drop_(other.drop_) {}
    wait &operator=(wait &&other) noexcept
    {
        c_ = std::exchange(other.c_, nullptr);
        arg_ = other.arg_;
        drop_ = other.drop_;
        return *this;
    }
    ~wait() = default;

    explicit operator bool() const noexcept { return c_ != nullptr; }
    /** As brim_wait_cancel; empty then.  True: the callback has been destroyed without being called. */
    bool cancel() noexcept
    {
        const bool canceled = brim_wait_cancel(std::exchange(c_, nullptr));
        if (canceled)
            drop_(arg_);
        return canceled;
    }
    brim_wait *c() const noexcept { return c_; }

  private:
    brim_wait *c_ = nullptr;
    void *arg_ = nullptr;
    void (*drop_)(void *) noexcept = nullptr;
};

/**
 * What cache::claim gives: ok and a ref; claimed and a load; or why neither.
 */
template <class T, class Deleter = std::default_delete<T>> struct [[nodiscard]] claim {
    brim::status status = brim::status::invalid;
    brim::ref<T> ref;
    brim::load<T, Deleter> load;
};

/**
 * What cache::claim_async gives: as claim, or pending and a wait.
 */
template <class T, class Deleter = std::default_delete<T>> struct [[nodiscard]] async_claim {
    brim::status status = brim::status::invalid;
    brim::ref<T> ref;
    brim::load<T, Deleter> load;
    brim::wait wait;
};

// ---- A cache

namespace detail
{

template <class K, class = void> struct argument_of {
    using type = const K &;
};
template <class K> struct argument_of<K, std::void_t<typename key_bytes<K>::argument>> {
    using type = typename key_bytes<K>::argument;
};

template <class K, class = void> inline constexpr bool is_in_place = false;
template <class K> inline constexpr bool is_in_place<K, std::void_t<decltype(key_bytes<K>::in_place)>> =
    key_bytes<K>::in_place;

template <class K, class = void> inline constexpr bool unpacks = false;
template <class K>
inline constexpr bool unpacks<K, std::void_t<decltype(key_bytes<K>::unpack(std::declval<std::string_view>()))>> =
    true;

template <class F, class... Args> decltype(auto) call(F &f, Args &&...args)
{
    if constexpr (std::is_invocable_v<F &, Args...>)
        return f(std::forward<Args>(args)...);
    else
        return f();
}

/* A loader, called with its key or with nothing. */
template <class U, class D, class F, class... Args>
brim_status run_loader(thrown &error, F &loader, void **value, std::size_t *cost, Args &&...args)
{
    brim_status s = BRIM_FAILED;
    error.by([&] {
        loaded<U, D> made = call(loader, std::forward<Args>(args)...);
        s = made.give(value, cost);
    });
    return s;
}

/* The loader of a get by a Key, which is at hand. */
template <class Argument, class U, class D, class F> struct loader_call {
    Argument key;
    F &loader;
    thrown error{};
    static brim_status run(const void *, std::size_t, void *arg, void **value, std::size_t *cost)
    {
        auto &self = *static_cast<loader_call *>(arg);
        return run_loader<U, D>(self.error, self.loader, value, cost, self.key);
    }
};

/* The loader of a get by a handle, which has bytes. */
template <class K, class U, class D, class F> struct handle_call {
    F &loader;
    thrown error{};
    static brim_status run(const void *key, std::size_t len, void *arg, void **value, std::size_t *cost)
    {
        auto &self = *static_cast<handle_call *>(arg);
        if constexpr (unpacks<K>)
            return run_loader<U, D>(self.error, self.loader, value, cost, key_bytes<K>::unpack(view(key, len)));
        else
            return run_loader<U, D>(self.error, self.loader, value, cost, view(key, len));
    }
};

/* A predicate or a visitor.  What it is shown is lent: no count of it is taken, nor given back. */
template <class T, class F> struct walk_call {
    F &look;
    thrown error{};
    static bool run(brim_ref *lent, void *arg)
    {
        auto &self = *static_cast<walk_call *>(arg);
        bool answer = false;
        if (self.error.has_thrown())
            return answer;
        struct showing {
            ref<T> r;
            ~showing() { (void)r.detach(); }
        };
        const showing shown{ref<T>::adopt(lent)};
        self.error.by([&] {
            if constexpr (std::is_void_v<decltype(self.look(shown.r))>) {
                self.look(shown.r);
                answer = true;
            } else {
                answer = self.look(shown.r);
            }
        });
        return answer;
    }
};

/* A writer of text; one that returns false, or throws, wants no more. */
template <class F> struct write_call {
    F &write;
    thrown error{};
    static int run(void *arg, const char *text, std::size_t len)
    {
        auto &self = *static_cast<write_call *>(arg);
        bool more = false;
        if (self.error.has_thrown())
            return 1;
        self.error.by([&] {
            if constexpr (std::is_void_v<decltype(self.write(std::string_view(text, len)))>) {
                self.write(std::string_view(text, len));
                more = true;
            } else {
                more = self.write(std::string_view(text, len));
            }
        });
        return more ? 0 : 1;
    }
};

/* As many keys as Brim itself takes at a time. */
inline constexpr std::size_t batch = 16;

/* Calls step(bytes, first, count) for ${keys}, each ${stride} bytes after the one before it, in batches. */
template <class K, class Any, class Step>
void in_batches(const Any *keys, std::size_t n, std::size_t stride, Step &&step)
{
    using argument = typename argument_of<K>::type;
    using packed = std::decay_t<decltype(key_bytes<K>::pack(std::declval<argument>()))>;
    const char *next = reinterpret_cast<const char *>(keys);
    for (std::size_t first = 0; first < n; first += batch) {
        const std::size_t count = n - first < batch ? n - first : batch;
        packed held[batch];
        brim_bytes bytes[batch];
        for (std::size_t i = 0; i < count; i++, next += stride) {
            held[i] = key_bytes<K>::pack(*reinterpret_cast<const Any *>(next));
            bytes[i] = {held[i].data(), held[i].size()};
        }
        step(static_cast<const brim_bytes *>(bytes), first, count);
    }
}

template <class K, class Any> inline constexpr bool are_keys =
    is_in_place<K> ? std::is_same_v<Any, K> : std::is_convertible_v<const Any &, typename argument_of<K>::type>;

template <class T> brim_ref **c_array(ref<T> *refs) noexcept
{
    static_assert(sizeof(ref<T>) == sizeof(brim_ref *) && std::is_standard_layout_v<ref<T>>);
    return reinterpret_cast<brim_ref **>(refs);
}

} // namespace detail

/**
 * section<Key, T>:
 * As brim_read_begin to brim_read_end, in which values are borrowed.  It is its thread's: destroy it there.
 */
template <class Key, class T> class section
{
    using traits = key_bytes<Key>;

  public:
    using argument = typename detail::argument_of<Key>::type;
    constexpr section() noexcept = default;
    section(section &&other) noexcept : c_(std::exchange(other.c_, nullptr)) {}
    section &operator=(section &&other) noexcept
    {
        section taken(std::move(other));
        std::swap(c_, taken.c_);
        return *this;
    }
    ~section() { end(); }

    explicit operator bool() const noexcept { return c_ != nullptr; }
    /** As brim_read_end; empty then. */
    void end() noexcept
    {
        if (c_)
            brim_read_end(std::exchange(c_, nullptr));
    }
    /** As brim_read_refresh. */
    void refresh() noexcept
    {
        if (c_)
            brim_read_refresh(c_);
    }
    /** As brim_peek. */
    T *peek(argument key) const
    {
        const auto &packed = traits::pack(key);
        return static_cast<T *>(brim_peek(c_, packed.data(), packed.size()));
    }
    /** As brim_key_peek; nullptr in an empty section. */
    T *peek(const brim::key<T> &key) const noexcept
    {
        return c_ ? static_cast<T *>(brim_key_peek(key.c())) : nullptr;
    }
    /** As brim_borrow. */
    borrowed<T> borrow(argument key) const
    {
        const auto &packed = traits::pack(key);
        return borrowed<T>(brim_borrow(c_, packed.data(), packed.size()));
    }
    /** As brim_peek_fixed, or for keys that are not their bytes as brim_peek_many. */
    template <class Any, class = std::enable_if_t<detail::are_keys<Key, Any>>>
    std::size_t peek_many(const Any *keys, std::size_t n, T **values, std::size_t stride = sizeof(Any)) const
    {
        std::size_t hits = 0;
        void *found[detail::batch];
        if constexpr (detail::is_in_place<Key>) {
            const char *next = reinterpret_cast<const char *>(keys);
            for (std::size_t first = 0, count; first < n; first += count, next += count * stride) {
                count = n - first < detail::batch ? n - first : detail::batch;
                hits += brim_peek_fixed(c_, next, sizeof(Key), stride, count, found);
                for (std::size_t i = 0; i < count; i++)
                    values[first + i] = static_cast<T *>(found[i]);
            }
        } else {
            detail::in_batches<Key>(keys, n, stride,
                                    [&](const brim_bytes *bytes, std::size_t first, std::size_t count) {
                                        hits += brim_peek_many(c_, bytes, count, found);
                                        for (std::size_t i = 0; i < count; i++)
                                            values[first + i] = static_cast<T *>(found[i]);
                                    });
        }
        return hits;
    }
#if defined(__cpp_lib_span)
    /** The same, for as many as the shorter of the two has. */
    std::size_t peek_many(std::span<const Key> keys, std::span<T *> values) const
    {
        return peek_many(keys.data(), keys.size() < values.size() ? keys.size() : values.size(), values.data());
    }
#endif
    brim_cache *c() const noexcept
    {
        return c_;
    }

  private:
    template <class, class, class> friend class cache;
    explicit section(brim_cache *c) noexcept : c_(c) {}
    brim_cache *c_ = nullptr;
};

/**
 * What caches of all types have: bounds, frames, groups, statistics.
 */
class cache_base
{
  public:
    explicit operator bool() const noexcept { return c_ != nullptr; }

    /** As brim_set_capacity. */
    brim::status set_capacity(std::size_t capacity) noexcept
    {
        return static_cast<brim::status>(brim_set_capacity(c_, capacity));
    }
    /** As brim_capacity. */
    std::size_t capacity() const noexcept { return brim_capacity(c_); }
    /** As brim_used. */
    std::size_t used() const noexcept { return brim_used(c_); }
    /** As brim_pinned. */
    std::size_t pinned() const noexcept { return brim_pinned(c_); }
    /** As brim_count. */
    std::size_t count() const noexcept { return brim_count(c_); }
    /** As brim_reserve. */
    [[nodiscard]] brim::status reserve(std::size_t cost) noexcept
    {
        return static_cast<brim::status>(brim_reserve(c_, cost));
    }
    /** As brim_unreserve. */
    void unreserve(std::size_t cost) noexcept { brim_unreserve(c_, cost); }
    /** As brim_trim. */
    std::size_t trim(std::size_t target_used) noexcept { return brim_trim(c_, target_used); }
    /** As brim_trim_kind. */
    std::size_t trim(const kind_base &kind, std::size_t target) noexcept
    {
        return brim_trim_kind(c_, kind.c(), target);
    }
    /** As brim_trim_kind of NULL. */
    std::size_t trim_own_kind(std::size_t target) noexcept { return brim_trim_kind(c_, nullptr, target); }
    /** As brim_trim_unused_since. */
    std::size_t trim_unused_since(std::uint64_t frame) noexcept { return brim_trim_unused_since(c_, frame); }
    /** As brim_idle. */
    std::size_t idle() noexcept { return brim_idle(c_); }
    /** As brim_next_frame. */
    std::uint64_t next_frame() noexcept { return brim_next_frame(c_); }
    /** As brim_frame. */
    std::uint64_t frame() const noexcept { return brim_frame(c_); }
    /** As brim_clear. */
    void clear() noexcept { brim_clear(c_); }
    /** As brim_drain. */
    brim::status drain(std::chrono::milliseconds timeout = forever) noexcept
    {
        return static_cast<brim::status>(brim_drain(c_, detail::milliseconds(timeout)));
    }
    /** As brim_kind_set_limits. */
    brim::status set_limits(const kind_base &kind, std::size_t floor, std::size_t ceiling) noexcept
    {
        return static_cast<brim::status>(brim_kind_set_limits(c_, kind.c(), floor, ceiling));
    }
    /** As brim_kind_set_limits of NULL. */
    brim::status set_own_limits(std::size_t floor, std::size_t ceiling) noexcept
    {
        return static_cast<brim::status>(brim_kind_set_limits(c_, nullptr, floor, ceiling));
    }
    /** As brim_group_new; empty: no memory. */
    [[nodiscard]] group make_group() noexcept { return group::adopt(brim_group_new(c_)); }
    /** As brim_stats_get. */
    brim::stats stats() const noexcept { return stats_of(nullptr); }
    /** As brim_stats_get_sized. */
    brim::stats stats(const kind_base &kind) const noexcept { return stats_of(kind.c()); }
    /** As brim_stats_write. */
    brim::status write_stats(std::FILE *file, brim::format format) const noexcept
    {
        return static_cast<brim::status>(brim_stats_write(c_, file, static_cast<brim_format>(format)));
    }
    /** As brim_report_problems, to ${write}(std::string_view line), which returns nothing, or false to stop. */
    template <class Writer> std::size_t report_problems(Writer &&write) const
    {
        detail::write_call<std::remove_reference_t<Writer>> call{write};
        const std::size_t problems = brim_report_problems(c_, call.run, &call);
        call.error.rethrow();
        return problems;
    }
    /** The same, counted alone. */
    std::size_t report_problems() const noexcept { return brim_report_problems(c_, nullptr, nullptr); }

    brim_cache *c() const noexcept { return c_; }
    [[nodiscard]] brim_cache *detach() noexcept { return std::exchange(c_, nullptr); }

  protected:
    constexpr cache_base() noexcept = default;
    cache_base(cache_base &&other) noexcept : c_(other.detach()) {}
    cache_base &operator=(cache_base &&other) noexcept
    {
        cache_base taken(std::move(other));
        std::swap(c_, taken.c_);
        return *this;
    }
    ~cache_base()
    {
        if (c_)
            brim_cache_free(c_);
    }
    brim::stats stats_of(const brim_kind *kind) const noexcept
    {
        brim::stats s;
        brim_stats_get_sized(c_, kind, &s, sizeof s);
        return s;
    }

    brim_cache *c_ = nullptr;
};

/**
 * cache<Key, T, Deleter>:
 * As brim_cache: finds values that are T by keys that are Key, and destroys them with a Deleter.  T may be const, or
 * a base class of what is inserted if its destructor is virtual.  T may be void: a cache of several kinds, in which
 * each call that makes a value says of which kind, and ref::as tells them apart.
 *
 * Callbacks  Its destructor is brim_cache_free.
 */
template <class Key, class T, class Deleter = std::default_delete<T>> class cache : public cache_base
{
    using traits = key_bytes<Key>;
    static constexpr bool is_mixed = std::is_void_v<T>;

  public:
    using key_type = Key;
    using mapped_type = T;
    using argument = typename detail::argument_of<Key>::type;
    using pointer = std::unique_ptr<T, Deleter>;
    using ref = brim::ref<T>;
    using section = brim::section<Key, T>;

    /** An empty cache: nothing is found or kept in it. */
    constexpr cache() noexcept {} // not `= default', which would make it an aggregate
    cache(cache &&) noexcept = default;
    cache &operator=(cache &&) noexcept = default;
    ~cache() = default;

    /** As brim_cache_new. */
    static result<cache> make(const options &options) noexcept
    {
        if constexpr (is_mixed) {
            return make_c(options, nullptr);
        } else {
            static_assert(detail::is_stateless<Deleter>,
                          "a Deleter with state belongs to a kind: make(options, kind)");
            return make_c(options, &detail::standard_kind<T, Deleter>);
        }
    }
    /** The same; values of no other kind are of ${kind}. */
    static result<cache> make(const options &options, const kind_of<T, Deleter> &kind) noexcept
    {
        return make_c(options, kind.c());
    }
    [[nodiscard]] static cache adopt(brim_cache *c) noexcept
    {
        cache taken;
        taken.c_ = c;
        return taken;
    }

    // ---- Inserting.  ${value} is empty afterwards if the cache has taken it, else as it was.

    /** As brim_insert. */
    [[nodiscard]] brim::status insert(argument key, pointer &&value, std::size_t cost)
    {
        static_assert(!is_mixed, "a cache of several kinds: insert(key, kind, value, cost)");
        const auto &packed = traits::pack(key);
        return taken(value,
                     brim_insert(c_, packed.data(), packed.size(), detail::untyped(value.get()), cost, nullptr));
    }
    /** As brim_insert_with. */
    [[nodiscard]] brim::status insert(argument key, pointer &&value, std::size_t cost, const entry_options &options)
    {
        return insert_c(key, own_kind(), value, cost, options, nullptr);
    }
    template <class U, class D> [[nodiscard]] brim::status insert(argument key, const kind_of<U, D> &kind,
                                                                  typename kind_of<U, D>::pointer &&value,
                                                                  std::size_t cost,
                                                                  const entry_options &options = {})
    {
        return insert_c(key, of(kind), value, cost, options, nullptr);
    }
    /**
     * The same with a ref; not empty also with exists: it holds what is there.  In a cache of several kinds invalid,
     * and empty, if that is of another kind; so with insert_or_wrap.
     */
    result<ref> insert_and_hold(argument key, pointer &&value, std::size_t cost, const entry_options &options = {})
    {
        brim_ref *out = nullptr;
        const brim::status s = insert_c(key, own_kind(), value, cost, options, &out);
        return {s, ref::adopt(out)};
    }
    template <class U, class D> result<brim::ref<U>> insert_and_hold(argument key, const kind_of<U, D> &kind,
                                                                     typename kind_of<U, D>::pointer &&value,
                                                                     std::size_t cost,
                                                                     const entry_options &options = {})
    {
        brim_ref *out = nullptr;
        const brim::status s = insert_c(key, of(kind), value, cost, options, &out);
        return checked<U>(static_cast<brim_status>(s), out, of(kind));
    }
    /** As brim_insert_or_wrap; not empty also with too_big, full, canceled and exists. */
    result<ref> insert_or_wrap(argument key, pointer &&value, std::size_t cost, const entry_options &options = {})
    {
        brim_ref *out = nullptr;
        const brim::status s = insert_or_wrap_c(key, own_kind(), value, cost, options, &out);
        return {s, ref::adopt(out)};
    }
    template <class U, class D> result<brim::ref<U>> insert_or_wrap(argument key, const kind_of<U, D> &kind,
                                                                    typename kind_of<U, D>::pointer &&value,
                                                                    std::size_t cost,
                                                                    const entry_options &options = {})
    {
        brim_ref *out = nullptr;
        const brim::status s = insert_or_wrap_c(key, of(kind), value, cost, options, &out);
        return checked<U>(static_cast<brim_status>(s), out, of(kind));
    }
    /** As brim_wrap. */
    result<ref> wrap(pointer &&value, std::size_t cost, const entry_options &options = {}) noexcept
    {
        return wrap_c<T>(own_kind(), value, cost, options);
    }
    template <class U, class D> result<brim::ref<U>> wrap(const kind_of<U, D> &kind,
                                                          typename kind_of<U, D>::pointer &&value, std::size_t cost,
                                                          const entry_options &options = {}) noexcept
    {
        return wrap_c<U>(of(kind), value, cost, options);
    }
    /** As brim_insert_anonymous, for a key. */
    result<brim::key<T>> insert_anonymous(pointer &&value, std::size_t cost,
                                          const entry_options &options = {}) noexcept
    {
        return anonymous_c<T>(own_kind(), value, cost, options);
    }
    template <class U, class D>
    result<brim::key<U>> insert_anonymous(const kind_of<U, D> &kind, typename kind_of<U, D>::pointer &&value,
                                          std::size_t cost, const entry_options &options = {}) noexcept
    {
        return anonymous_c<U>(of(kind), value, cost, options);
    }
    /** As brim_insert_anonymous, for a ref: ref::key. */
    result<ref> insert_anonymous_and_hold(pointer &&value, std::size_t cost,
                                          const entry_options &options = {}) noexcept
    {
        return anonymous_and_hold_c<T>(own_kind(), value, cost, options);
    }
    template <class U, class D>
    result<brim::ref<U>> insert_anonymous_and_hold(const kind_of<U, D> &kind,
                                                   typename kind_of<U, D>::pointer &&value, std::size_t cost,
                                                   const entry_options &options = {}) noexcept
    {
        return anonymous_and_hold_c<U>(of(kind), value, cost, options);
    }
    /** As brim_key_replace. */
    [[nodiscard]] static brim::status replace(brim::key<T> &key, pointer &&value, std::size_t cost) noexcept
    {
        static_assert(!is_mixed, "a cache of several kinds: replace(key, kind, value, cost)");
        return taken(value, brim_key_replace(key.address(), detail::untyped(value.get()), cost));
    }
    /** As brim_key_replace_with. */
    [[nodiscard]] static brim::status replace(brim::key<T> &key, pointer &&value, std::size_t cost,
                                              const entry_options &options) noexcept
    {
        return replace_c(key, own_kind(), value, cost, options, nullptr);
    }
    template <class U, class D>
    [[nodiscard]] static brim::status replace(brim::key<U> &key, const kind_of<U, D> &kind,
                                              typename kind_of<U, D>::pointer &&value, std::size_t cost,
                                              const entry_options &options) noexcept
    {
        return replace_c(key, of(kind), value, cost, options, nullptr);
    }
    /** The same with a ref. */
    static result<ref> replace_and_hold(brim::key<T> &key, pointer &&value, std::size_t cost,
                                        const entry_options &options) noexcept
    {
        brim_ref *out = nullptr;
        const brim::status s = replace_c(key, own_kind(), value, cost, options, &out);
        return {s, ref::adopt(out)};
    }
    template <class U, class D>
    static result<brim::ref<U>> replace_and_hold(brim::key<U> &key, const kind_of<U, D> &kind,
                                                 typename kind_of<U, D>::pointer &&value, std::size_t cost,
                                                 const entry_options &options) noexcept
    {
        brim_ref *out = nullptr;
        const brim::status s = replace_c(key, of(kind), value, cost, options, &out);
        return {s, brim::ref<U>::adopt(out)};
    }

    // ---- Looking up

    /** As brim_find. */
    [[nodiscard]] ref find(argument key) const
    {
        const auto &packed = traits::pack(key);
        return ref::adopt(brim_find(c_, packed.data(), packed.size()));
    }
    /** As brim_contains. */
    bool contains(argument key) const
    {
        const auto &packed = traits::pack(key);
        return brim_contains(c_, packed.data(), packed.size());
    }
    /** As brim_remove. */
    bool remove(argument key)
    {
        const auto &packed = traits::pack(key);
        return brim_remove(c_, packed.data(), packed.size());
    }
    /**
     * As brim_find_fixed, or for keys that are not their bytes as brim_find_many.  ${stride} is for keys that are
     * members of something.  What ${refs} held is released first.
     */
    template <class Any, class = std::enable_if_t<detail::are_keys<Key, Any>>>
    std::size_t find_many(const Any *keys, std::size_t n, ref *refs, std::size_t stride = sizeof(Any)) const
    {
        release_many(refs, n);
        if constexpr (detail::is_in_place<Key>)
            return brim_find_fixed(c_, keys, sizeof(Key), stride, n, detail::c_array(refs));
        else {
            std::size_t hits = 0;
            detail::in_batches<Key>(keys, n, stride,
                                    [&](const brim_bytes *bytes, std::size_t first, std::size_t count) {
                                        hits += brim_find_many(c_, bytes, count, detail::c_array(refs + first));
                                    });
            return hits;
        }
    }
#if defined(__cpp_lib_span)
    /** The same, for as many as the shorter of the two has. */
    std::size_t find_many(std::span<const Key> keys, std::span<ref> refs) const
    {
        return find_many(keys.data(), keys.size() < refs.size() ? keys.size() : refs.size(), refs.data());
    }
#endif
    /** As brim_read_begin. */
    [[nodiscard]] result<section> read() const noexcept
    {
        const brim_status s = brim_read_begin(c_);
        return {static_cast<brim::status>(s), section(s == BRIM_OK ? c_ : nullptr)};
    }

    // ---- Loading.  ${loader}(argument), or (), returns a brim::loaded, or what can become one.

    /** As brim_get.  What ${loader} throws is thrown here; others that wait for this load get failed. */
    template <class Loader> result<ref> get(argument key, Loader &&loader)
    {
        static_assert(!is_mixed, "a cache of several kinds: get(key, kind, loader)");
        return get_c<T, Deleter>(key, nullptr, loader);
    }
    /** As brim_get_with. */
    template <class Loader> result<ref> get(argument key, Loader &&loader, const load_options &options)
    {
        const detail::c_load_options c(options, own_kind());
        return get_c<T, Deleter>(key, c.c(), loader);
    }
    /** In a cache of several kinds also invalid: the key has a value of another kind. */
    template <class U, class D, class Loader> result<brim::ref<U>>
    get(argument key, const kind_of<U, D> &kind, Loader &&loader, const load_options &options = {})
    {
        const detail::c_load_options c(options, of(kind));
        return get_c<U, D>(key, c.c(), loader);
    }
    /** As brim_key_get.  ${loader} gets the key as key_bytes::unpack makes it, or else its bytes. */
    template <class Loader> static result<ref> get(brim::key<T> &key, Loader &&loader)
    {
        static_assert(!is_mixed, "a cache of several kinds: get(key, kind, loader)");
        return key_get_c<T, Deleter>(key, loader);
    }
    /** The same; ${kind} is the one that the value has had. */
    template <class U, class D, class Loader>
    static result<brim::ref<U>> get(brim::key<U> &key, const kind_of<U, D> &kind, Loader &&loader)
    {
        (void)of(kind);
        return key_get_c<U, D>(key, loader);
    }
    /** As brim_claim. */
    [[nodiscard]] brim::claim<T, Deleter> claim(argument key, std::chrono::milliseconds timeout = forever)
    {
        static_assert(!is_mixed, "a cache of several kinds: claim(key, kind)");
        const auto &packed = traits::pack(key);
        brim_ref *found;
        brim_load *load;
        const brim_status s =
            brim_claim(c_, packed.data(), packed.size(), detail::milliseconds(timeout), &found, &load);
        return {static_cast<brim::status>(s), ref::adopt(found), brim::load<T, Deleter>::adopt(load)};
    }
    /** As brim_claim_with. */
    [[nodiscard]] brim::claim<T, Deleter> claim(argument key, const load_options &options)
    {
        return claim_c<T, Deleter>(key, own_kind(), options);
    }
    /** In a cache of several kinds also invalid: the key has a value of another kind. */
    template <class U, class D>
    [[nodiscard]] brim::claim<U, D> claim(argument key, const kind_of<U, D> &kind, const load_options &options = {})
    {
        return claim_c<U, D>(key, of(kind), options);
    }
    /** As brim_claim_many: ${claims}[i] as by claim of ${keys}[i].  What they held is given back then. */
    template <class Any, class = std::enable_if_t<detail::are_keys<Key, Any>>> std::size_t
    claim_many(const Any *keys, std::size_t n, brim::claim<T, Deleter> *claims, const load_options &options = {})
    {
        return claim_many_c<T, Deleter>(keys, n, own_kind(), claims, options);
    }
    template <class U, class D, class Any, class = std::enable_if_t<detail::are_keys<Key, Any>>>
    std::size_t claim_many(const Any *keys, std::size_t n, const kind_of<U, D> &kind, brim::claim<U, D> *claims,
                           const load_options &options = {})
    {
        return claim_many_c<U, D>(keys, n, of(kind), claims, options);
    }
#if defined(__cpp_lib_span)
    /** The same, for as many as the shorter of the two has. */
    std::size_t claim_many(std::span<const Key> keys, std::span<brim::claim<T, Deleter>> claims,
                           const load_options &options = {})
    {
        return claim_many(keys.data(), keys.size() < claims.size() ? keys.size() : claims.size(), claims.data(),
                          options);
    }
#endif
    /**
     * As brim_claim_async.  With pending, ${done}(ref, int reason) is called once, and destroyed; it must not throw.
     * Otherwise it is destroyed uncalled.
     *
     * Cost       What ${done} captures is allocated, unless it is trivial and no larger than a pointer.
     */
    template <class Done> [[nodiscard]] brim::async_claim<T, Deleter> claim_async(argument key, Done &&done,
                                                                                  const load_options &options = {})
    {
        return claim_async_c<T, Deleter>(key, own_kind(), std::forward<Done>(done), options);
    }
    template <class U, class D, class Done> [[nodiscard]] brim::async_claim<U, D>
    claim_async(argument key, const kind_of<U, D> &kind, Done &&done, const load_options &options = {})
    {
        return claim_async_c<U, D>(key, of(kind), std::forward<Done>(done), options);
    }
    /** As brim_load_cancel. */
    bool cancel_load(argument key)
    {
        const auto &packed = traits::pack(key);
        return brim_load_cancel(c_, packed.data(), packed.size());
    }

    // ---- Walks

    /**
     * As brim_remove_if, for which ${predicate}(const ref &) is true.  If it throws it is not called again: what it
     * was true for until then has been removed.
     */
    template <class Predicate> std::size_t remove_if(Predicate &&predicate)
    {
        detail::walk_call<T, std::remove_reference_t<Predicate>> call{predicate};
        const std::size_t removed = brim_remove_if(c_, call.run, &call);
        call.error.rethrow();
        return removed;
    }
    /** As brim_for_each, to ${visitor}(const ref &), which returns nothing, or false to stop. */
    template <class Visitor> std::size_t for_each(Visitor &&visitor) const
    {
        detail::walk_call<T, std::remove_reference_t<Visitor>> call{visitor};
        const std::size_t visited = brim_for_each(c_, call.run, &call);
        call.error.rethrow();
        return visited;
    }

  private:
    static result<cache> make_c(const options &options, const brim_kind *kind) noexcept
    {
        const brim_options c = detail::c_options(options, kind);
        brim_cache *out = nullptr;
        const brim_status s = brim_cache_new(&c, &out);
        return {static_cast<brim::status>(s), adopt(out)};
    }

    /* NULL: the cache's own, of which a cache of several kinds has none. */
    static constexpr const brim_kind *own_kind() noexcept
    {
        static_assert(!is_mixed, "a cache of several kinds: say which, after the key");
        return nullptr;
    }
    template <class U, class D> static const brim_kind *of(const kind_of<U, D> &kind) noexcept
    {
        static_assert(is_mixed || (std::is_same_v<U, T> && std::is_same_v<D, Deleter>),
                      "a kind of other values than this cache's");
        return kind.c();
    }

    template <class P> static brim::status taken(P &value, brim_status s) noexcept
    {
        if (s == BRIM_OK)
            (void)value.release();
        return static_cast<brim::status>(s);
    }

    /* A ref<U>, in a cache of several kinds only if what was found is of ${kind}. */
    template <class U>
    static result<brim::ref<U>> checked(brim_status s, brim_ref *found, const brim_kind *kind) noexcept
    {
        brim::ref<U> r = brim::ref<U>::adopt(found);
        if (is_mixed && r && r.kind() != kind)
            return {brim::status::invalid, {}};
        return {static_cast<brim::status>(s), std::move(r)};
    }

    template <class P> brim::status insert_c(argument key, const brim_kind *kind, P &value, std::size_t cost,
                                             const entry_options &options, brim_ref **out)
    {
        const auto &packed = traits::pack(key);
        const brim_entry_options c = detail::c_options(options, kind);
        return taken(
            value, brim_insert_with(c_, packed.data(), packed.size(), detail::untyped(value.get()), cost, &c, out));
    }
    template <class P> brim::status insert_or_wrap_c(argument key, const brim_kind *kind, P &value, std::size_t cost,
                                                     const entry_options &options, brim_ref **out)
    {
        const auto &packed = traits::pack(key);
        const brim_entry_options c = detail::c_options(options, kind);
        const brim_status s =
            brim_insert_or_wrap(c_, packed.data(), packed.size(), detail::untyped(value.get()), cost, &c, out);
        if (s != BRIM_INVALID && s != BRIM_NOMEM)
            (void)value.release();
        return static_cast<brim::status>(s);
    }
    template <class U, class P> result<brim::ref<U>> wrap_c(const brim_kind *kind, P &value, std::size_t cost,
                                                            const entry_options &options) noexcept
    {
        const brim_entry_options c = detail::c_options(options, kind);
        brim_ref *out = nullptr;
        const brim::status s = taken(value, brim_wrap(c_, detail::untyped(value.get()), cost, &c, &out));
        return {s, brim::ref<U>::adopt(out)};
    }
    template <class U, class P> result<brim::key<U>> anonymous_c(const brim_kind *kind, P &value, std::size_t cost,
                                                                 const entry_options &options) noexcept
    {
        const brim_entry_options c = detail::c_options(options, kind);
        brim_key *out = nullptr;
        const brim::status s =
            taken(value, brim_insert_anonymous(c_, detail::untyped(value.get()), cost, &c, &out, nullptr));
        return {s, brim::key<U>::adopt(out)};
    }
    template <class U, class P> result<brim::ref<U>>
    anonymous_and_hold_c(const brim_kind *kind, P &value, std::size_t cost, const entry_options &options) noexcept
    {
        const brim_entry_options c = detail::c_options(options, kind);
        brim_ref *out = nullptr;
        const brim::status s =
            taken(value, brim_insert_anonymous(c_, detail::untyped(value.get()), cost, &c, nullptr, &out));
        return {s, brim::ref<U>::adopt(out)};
    }
    template <class U, class P> static brim::status replace_c(brim::key<U> &key, const brim_kind *kind, P &value,
                                                              std::size_t cost, const entry_options &options,
                                                              brim_ref **out) noexcept
    {
        const brim_entry_options c = detail::c_options(options, kind);
        return taken(value, brim_key_replace_with(key.address(), detail::untyped(value.get()), cost, &c, out));
    }

    template <class U, class D, class Loader>
    result<brim::ref<U>> get_c(argument key, const brim_claim_options *options, Loader &loader)
    {
        detail::loader_call<argument, U, D, Loader> call{key, loader};
        const auto &packed = traits::pack(key);
        brim_ref *found;
        const brim_status s = options
                                  ? brim_get_with(c_, packed.data(), packed.size(), options, call.run, &call, &found)
                                  : brim_get(c_, packed.data(), packed.size(), call.run, &call, &found);
        call.error.rethrow();
        return checked<U>(s, found, options ? options->entry->kind : nullptr);
    }
    template <class U, class D, class Loader>
    static result<brim::ref<U>> key_get_c(brim::key<U> &key, Loader &loader)
    {
        detail::handle_call<Key, U, D, Loader> call{loader};
        brim_ref *found;
        const brim_status s = brim_key_get(key.address(), call.run, &call, &found);
        call.error.rethrow();
        return {static_cast<brim::status>(s), brim::ref<U>::adopt(found)};
    }

    template <class U, class D>
    brim::claim<U, D> claim_c(argument key, const brim_kind *kind, const load_options &options)
    {
        const auto &packed = traits::pack(key);
        const detail::c_load_options c(options, kind);
        brim_ref *found;
        brim_load *load;
        const brim_status s = brim_claim_with(c_, packed.data(), packed.size(), c.c(), &found, &load);
        return claimed<U, D>(s, found, load, kind);
    }
    template <class U, class D>
    static brim::claim<U, D> claimed(brim_status s, brim_ref *found, brim_load *load, const brim_kind *kind) noexcept
    {
        result<brim::ref<U>> hit = checked<U>(s, found, kind);
        return {hit.status(), std::move(hit), brim::load<U, D>::adopt(load, kind)};
    }
    template <class U, class D, class Any> std::size_t claim_many_c(const Any *keys, std::size_t n,
                                                                    const brim_kind *kind, brim::claim<U, D> *claims,
                                                                    const load_options &options)
    {
        detail::c_load_options c(options, kind);
        int reason = 0, last = 0;
        c.c()->reason = &reason;
        std::size_t hits = 0;
        detail::in_batches<Key>(keys, n, sizeof(Any),
                                [&](const brim_bytes *bytes, std::size_t first, std::size_t count) {
                                    brim_ref *found[detail::batch];
                                    brim_load *loads[detail::batch];
                                    brim_status statuses[detail::batch];
                                    hits += brim_claim_many(c_, bytes, count, c.c(), found, loads, statuses);
                                    for (std::size_t i = 0; i < count; i++)
                                        claims[first + i] = claimed<U, D>(statuses[i], found[i], loads[i], kind);
                                    last = reason != 0 ? reason : last;
                                });
        if (options.reason)
            *options.reason = last;
        return hits;
    }
    template <class U, class D, class Done> brim::async_claim<U, D>
    claim_async_c(argument key, const brim_kind *kind, Done &&done, const load_options &options)
    {
        using call = detail::done_call<T, std::decay_t<Done>>;
        const auto &packed = traits::pack(key);
        const detail::c_load_options c(options, kind);
        brim_ref *found;
        brim_load *load;
        brim_wait *wait;
        void *arg;
        if (!call::store(std::forward<Done>(done), arg))
            return {brim::status::nomem, {}, {}, {}};
        const brim_status s =
            brim_claim_async(c_, packed.data(), packed.size(), c.c(), call::run, arg, &found, &load, &wait);
        if (s != BRIM_PENDING)
            call::drop(arg);
        brim::claim<U, D> got = claimed<U, D>(s, found, load, kind);
        return {got.status, std::move(got.ref), std::move(got.load), brim::wait(wait, arg, call::drop)};
    }
};

/**
 * emit_stats(caches, n, format, write):
 * As brim_stats_emit, to ${write}(std::string_view text), which returns nothing, or false to stop.
 */
template <class Writer> status emit_stats(brim_cache *const *caches, std::size_t n, format form, Writer &&write)
{
    detail::write_call<std::remove_reference_t<Writer>> call{write};
    const brim_status s = brim_stats_emit(caches, n, static_cast<brim_format>(form), call.run, &call);
    call.error.rethrow();
    return static_cast<status>(s);
}
/** The same: emit_stats({tiles.c(), glyphs.c()}, brim::format::prometheus, write). */
template <class Writer> status emit_stats(std::initializer_list<brim_cache *> caches, format form, Writer &&write)
{
    return emit_stats(caches.begin(), caches.size(), form, std::forward<Writer>(write));
}

} // namespace brim
#endif
